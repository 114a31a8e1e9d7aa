"""Keys of results: golden, so that no change of code moves them unseen."""

from stream.jobs.keys import digest_key, divide_key, join_key, part_key, stage_key

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def _key(**changes: object) -> str:
    facts: dict[str, object] = {
        "operator": "composite",
        "version": 1,
        "settings": {"width": 640, "layers": []},
        "inputs": {"footage": A, "logo": B},
        "seed": 3,
        "toolchain": {"threads": "1"},
    }
    made = facts | changes
    return stage_key(
        made["operator"],  # type: ignore[arg-type]
        made["version"],  # type: ignore[arg-type]
        made["settings"],  # type: ignore[arg-type]
        made["inputs"],  # type: ignore[arg-type]
        seed=made["seed"],  # type: ignore[arg-type]
        toolchain=made["toolchain"],  # type: ignore[arg-type]
    )


def test_keys_are_golden() -> None:
    key = _key()
    assert key == "b1cc8d75caa815b6bf4b3a8cf52e22061696b1b939bc813deeb8ec3ee01201a2"
    assert divide_key(key) == "74ea91daa84094e1a9387953159cb1727b126e0148b68ab15847314534184c0e"
    assert (
        part_key(key, {"first": 0, "count": 25}) == "1e74136afad8cb6b2f078c817c18b2b7db10ecde7d1f3026d7240dbfb32acd1b"
    )
    assert (
        join_key(key, [{"a.mkv": A}, {"a.mkv": B}])
        == "32fdf1d8af37188e76ef41866064c66894c7a7b9964ed8591b94645a8b235f4d"
    )


def test_everything_that_decides_the_bytes_decides_the_key() -> None:
    changes: list[dict[str, object]] = [
        {"operator": "transcode"},
        {"version": 2},
        {"settings": {"width": "640", "layers": []}},
        {"inputs": {"footage": B, "logo": A}},
        {"inputs": {"footage": A}},
        {"seed": 4},
        {"toolchain": {"threads": "2"}},
    ]
    keys = [_key(), *(_key(**change) for change in changes)]
    assert len(set(keys)) == len(keys)


def test_the_order_in_which_things_are_written_decides_nothing() -> None:
    assert _key(settings={"layers": [], "width": 640}, inputs={"logo": B, "footage": A}) == _key()


def test_keys_of_different_kinds_never_meet() -> None:
    key = _key()
    assert len({key, divide_key(key), part_key(key, None), part_key(key, {}), join_key(key, [])}) == 5
    assert digest_key("part", {"stage": key, "part": None}) == part_key(key, None)


def test_parts_in_another_order_are_another_joining() -> None:
    assert join_key(_key(), [{"a": A}, {"a": B}]) != join_key(_key(), [{"a": B}, {"a": A}])
