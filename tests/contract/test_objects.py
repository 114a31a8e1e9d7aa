"""Objects by content: in a directory and on an object store, the same promises."""

import fcntl
from pathlib import Path

import pytest

from sinks.location import Location
from sinks.objects.delivery import bring_all
from sinks.objects.retention import expire
from sinks.objects.store import ObjectStore
from stream.errors import BadMedia, Fatal, Unavailable
from stream.events.objects import Known, LostObject, StoredFile, digest_of


@pytest.fixture(params=["directory", "s3_prefix", "azure_prefix"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param == "directory":
        return Location.of(tmp_path / "objects")
    return Location.of(f"{request.getfixturevalue(request.param)}/objects")


def _file(folder: Path, content: bytes, name: str = "made.bin") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def _stored(content: bytes) -> StoredFile:
    return StoredFile(name="a.bin", digest=digest_of(content), size=len(content), media_type="text/plain")


def test_what_is_put_is_there_under_its_digest(place: Location, tmp_path: Path) -> None:
    objects = ObjectStore(place).of("acme")
    content = b"frames" * 300_000
    digest, size = objects.put(_file(tmp_path / "made", content))
    assert (digest, size) == (digest_of(content), len(content))
    assert objects.has(digest, size)
    assert not objects.has(digest, size - 1)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    # A new one: nothing that the first remembers helps it.
    again = ObjectStore(place).of("acme")
    assert again.fetch(digest, scratch).read_bytes() == content
    assert again.read(digest, len(content)) == content


@pytest.mark.parametrize("left", [b"", b"half"])
def test_what_a_place_has_not_kept_whole_is_not_believed(
    place: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    store = ObjectStore(place)
    backend = store._backend  # noqa: SLF001 - as a place does that says more than it has done
    put = backend.put
    with monkeypatch.context() as careless:
        careless.setattr(backend, "put", lambda name, _content: put(name, left) if left else None)
        careless.setattr(backend, "put_file", lambda name, _path: put(name, left) if left else None)
        with pytest.raises(Unavailable, match="does not have what it has taken"):
            store.of("acme").put_bytes(b"the whole")
        with pytest.raises(Unavailable, match="of 9 bytes"):
            store.of("acme").put(_file(tmp_path / "made", b"the whole"))
    assert store.of("acme").put(_file(tmp_path / "made", b"the whole"))[0] == digest_of(b"the whole")


def test_another_tenants_objects_are_not_there(place: Location, tmp_path: Path) -> None:
    store = ObjectStore(place)
    digest = store.of("acme").put_bytes(b"secret")
    store.of("acme").learn("0" * 64, Known(outputs=(_stored(b"secret"),)))
    for name in ("other", "acme/..", "acme/objects", "..", "ACME"):
        other = store.of(name)
        assert not other.has(digest, 6)
        assert other.known("0" * 64) is None
        with pytest.raises(LostObject):
            other.read(digest, 100)


def test_bytes_that_changed_are_lost_and_gone(place: Location, tmp_path: Path) -> None:
    store = ObjectStore(place)
    digest = store.of("acme").put_bytes(b"right")
    backend = store._backend  # noqa: SLF001 - damage as a disk does it
    (name,) = [name for name, _ in backend.names("tenants/")]
    backend.put(name, b"wrong")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(LostObject) as caught:
        store.of("acme").fetch(digest, scratch)
    assert caught.value.digests == (digest,)
    assert not store.of("acme").has(digest, 5)


def test_the_ledger_is_believed_only_while_the_outputs_are_there(place: Location) -> None:
    store = ObjectStore(place)
    objects, key = store.of("acme"), "ab" * 32
    assert objects.known(key) is None
    outputs = (_stored(b"first"), _stored(b"second"))
    for content in (b"first", b"second"):
        objects.put_bytes(content)
    objects.learn(key, Known(outputs=outputs, made_ms=1))
    objects.learn(key, Known(outputs=outputs, made_ms=2))
    found = ObjectStore(place).of("acme").known(key)
    assert found is not None
    assert (found.outputs, found.made_ms) == (outputs, 1)
    assert objects.known_of(["cd" * 32, key, key]) == {key: found} and objects.known_of([]) == {}
    backend = store._backend  # noqa: SLF001 - as above
    backend.remove(next(name for name, size in backend.names("tenants/acme/objects") if size == 6))
    assert objects.known(key) is None
    assert objects.known_of([key, "cd" * 32]) == {}


def test_documents_are_replaced_as_a_whole(place: Location) -> None:
    documents = ObjectStore(place).documents
    assert documents.read("jobs/acme/spring/status.json") is None
    for content in (b"long" * 1000, b"short"):
        documents.write("jobs/acme/spring/status.json", content)
        assert documents.read("jobs/acme/spring/status.json") == content
    assert list(documents.names("jobs/")) == ["jobs/acme/spring/status.json"]


def test_what_differs_each_time_is_entered_once(place: Location) -> None:
    objects, key = ObjectStore(place).of("acme"), "ac" * 32
    for content in (b"first", b"second"):
        objects.put_bytes(content)
    first, second = Known(outputs=(_stored(b"first"),)), Known(outputs=(_stored(b"second"),))
    assert objects.once(key, first) == first
    assert objects.once(key, second) == first, "whoever comes later takes what the first one made"
    objects.remove(digest_of(b"first"))
    assert objects.once(key, second) == second, "unless that is gone"
    assert objects.known(key) == second


def test_finals_never_replace_what_lies_there(place: Location, tmp_path: Path) -> None:
    objects = ObjectStore(place).of("acme")
    objects.put_bytes(b"final")
    to, scratch = place.child("out"), tmp_path / "scratch"
    scratch.mkdir()
    for _ in range(2):
        bring_all(objects, [("a.bin", digest_of(b"final"))], to, "job/en", scratch)
    objects.put_bytes(b"other")
    with pytest.raises(BadMedia, match=r"another file named 'a\.bin'") as caught:
        bring_all(objects, [("a.bin", digest_of(b"other"))], to, "job/en", scratch)
    assert caught.value.code == "delivery_refused"


def test_a_place_that_can_never_be_a_store_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file where a folder is meant")
    with pytest.raises(Fatal) as caught:
        ObjectStore(tmp_path / "objects").of("acme").put_bytes(b"x")
    assert caught.value.code == "store_unusable"


def test_folders_are_named_as_they_were_written(place: Location) -> None:
    documents = ObjectStore(place).documents
    assert documents.folders("jobs") == []
    for name in ("acme", "%2E.", "a%20b"):
        documents.write(f"jobs/{name}/spring/status.json", b"{}")
    assert sorted(documents.folders("jobs")) == ["%2E.", "a%20b", "acme"]
    assert documents.folders("jobs/acme") == ["spring"]


def test_who_only_reads_removes_nothing_that_is_damaged(place: Location, tmp_path: Path) -> None:
    store = ObjectStore(place)
    digest = store.of("acme").put_bytes(b"right")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    path = store.of("acme").verified(digest, scratch)
    assert path is not None
    assert path.read_bytes() == b"right"
    backend = store._backend  # noqa: SLF001 - damage as a disk does it
    (name,) = [name for name, _ in backend.names("tenants/")]
    backend.put(name, b"wrong")
    copies = set(scratch.iterdir())
    assert store.of("acme").verified(digest, scratch) is None
    assert set(scratch.iterdir()) == copies
    assert backend.get(name) == b"wrong"
    assert store.of("acme").verified(digest_of(b"never"), scratch) is None


def test_what_a_killed_process_left_unfinished_goes_and_what_is_written_now_stays(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    digest = store.of("acme").put_bytes(b"whole")
    folder = next(tmp_path.rglob("objects/*"))
    left, held = folder / f".{'a' * 16}.new", folder / f".{'b' * 16}.new"
    left.write_bytes(b"half of")
    with held.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        expire(store, "acme", 0, lambda some: some)
        assert not left.exists()
        assert held.exists()
    assert store.of("acme").has(digest, 5)
