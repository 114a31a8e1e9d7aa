"""Deleted means no byte on an object store too, whoever reads there meanwhile."""

from pathlib import Path
from typing import Any

import pytest

from sinks import REGISTRY
from sinks.lance.sink import LanceSink
from sinks.location import Location
from sinks.query.moments import MomentIndex
from sinks.storage.objects import Objects
from sinks.tables.names import moments_table
from tests.integration.test_sinks_erased import CELLS, MOMENTS, codes_in, found_in, published, secrets_of
from tests.support.annotations import SPACE, asset_deleted, ref
from tests.support.sinks import build, rows_of

ASSETS = 4


def downloaded(place: Location, folder: Path) -> Path:
    """Every object there, as a file."""
    objects = Objects(place)
    for name, _ in objects.sizes(""):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert objects.fetch(name, path)
    return folder


def with_vector_indexes(sink: Any) -> None:
    """As upkeep makes them of a large table."""
    if isinstance(sink, LanceSink):
        table = sink.store.tables.find(moments_table(SPACE.key))
        assert table is not None
        for column in ("vector", "image_vector"):
            table.create_index(column, "IVF_SQ", name=f"{column}_idx", metric="cosine", num_partitions=2)


@pytest.mark.parametrize("prefix", ["s3_prefix", pytest.param("azure_prefix", marks=pytest.mark.long)])
@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_no_object_says_anything_of_an_erased_asset(
    name: str, prefix: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = Location.of(request.getfixturevalue(prefix)).child("store")
    sink = build(name, place)
    for number in range(ASSETS):
        list(sink.process(published(number)))
    sink.maintain()
    with_vector_indexes(sink)
    gone: dict[str, list[bytes]] = {}
    live = ASSETS * CELLS * MOMENTS
    for number in (1, 2):
        secrets = secrets_of(number)
        found = found_in(downloaded(place, tmp_path / f"before-{number}"), secrets)
        assert found == {what: len(some) for what, some in secrets.items()}, "each can be found before"
        gone = {what: [*gone.get(what, []), *some] for what, some in secrets.items()}
        list(sink.process([asset_deleted(ref(f"clip-{number}", 2))]))
        sink.maintain(purge=True)
        left = downloaded(place, tmp_path / f"after-{number}")
        assert found_in(left, gone) == dict.fromkeys(gone, 0)
        live -= CELLS * MOMENTS
        assert codes_in(left) == ([live, live] if name == "lance" else [])
    assert rows_of(sink, "clip-3")
    sink.close()


def test_a_reader_whose_version_goes_opens_the_tables_anew_once(s3_prefix: str) -> None:
    """Nobody is waited for there."""
    place, seen = Location.of(s3_prefix).child("store"), list[int]()
    sink = build("lance", place)
    for number in range(2):
        list(sink.process(published(number)))
    index = MomentIndex(place)

    def work() -> int:
        version = index.version(SPACE.key)
        assert version is not None
        seen.append(version.rows)
        if len(seen) == 1:
            list(sink.process([asset_deleted(ref("clip-0", 2))]))
            sink.maintain(purge=True)
        numbers = version.near([1.0, *[0.0] * (SPACE.dimensions - 1)], "vector", ["true"], 100)
        return len(version.take([item.row for item in numbers], ["thumbnail"]))

    assert index.reading(work) == seen[0] // 2
    assert seen == [seen[0], seen[0] // 2]
    sink.close()
