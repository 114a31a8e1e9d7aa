"""Which files of a table are new, found without listing what has not changed."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from sinks.durability import table_files
from sinks.durability.delta_files import LOG, DeltaFiles
from sinks.durability.durable_store import Disk, DurableStore
from sinks.durability.lance_files import LanceFiles
from sinks.durability.table_files import STAGED, Listing, TableFiles
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import LanceTables
from sinks.tables.upkeep_policy import UpkeepPolicy

HOUR_NS = 3600 * 10**9
TICK_NS = 10_000_000


class Looks:
    """Of one table, one after another."""

    def __init__(self, files: TableFiles) -> None:
        self._files = files
        self._seen = Listing()

    def unsynced(self) -> set[Path]:
        """What has to be synced since the look before."""
        listing = Listing(began_ns=time.monotonic_ns())
        self._files.look(listing, self._seen)
        self._seen = listing
        return set(listing.unsynced)


def table_in(directory: Path) -> Path:
    folder = directory / "one.lance"
    for name in ("_versions/1.manifest", "data/a.lance", "_indices/first/part.idx"):
        make(folder / name)
    return folder


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("rows")
    return path


def test_files_made_within_one_tick_of_the_clock_are_all_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system gives a folder one time for what was made before a listing and after it."""
    monkeypatch.setattr(table_files, "_changed_ns", lambda folder: folder.stat().st_ino)
    monkeypatch.setattr(table_files, "_SETTLED_NS", HOUR_NS)
    folder = table_in(tmp_path)
    looks = Looks(LanceFiles(folder))
    looks.unsynced()
    for number in range(3):
        added = make(folder / "data" / f"{number}.lance")
        later = make(folder / "_indices" / "first" / f"{number}.idx")
        assert looks.unsynced() == {added, later, added.parent, later.parent}
        assert looks.unsynced() == set()


def test_a_folder_that_does_not_change_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "_SETTLED_NS", 0)
    folder = table_in(tmp_path)
    looks = Looks(LanceFiles(folder))
    looks.unsynced()
    looks.unsynced()
    listed: list[Path] = []
    list_names: Callable[[Path], list[str]] = os.listdir

    def listing(path: Path) -> list[str]:
        listed.append(path)
        return list_names(path)

    monkeypatch.setattr(os, "listdir", listing)
    assert looks.unsynced() == set()
    assert listed == []
    added = make(folder / "_indices" / "second" / "part.idx")
    assert looks.unsynced() == {added, added.parent, added.parent.parent}
    assert set(listed) == {added.parent, added.parent.parent}


def test_a_folder_counts_as_unchanged_only_where_its_time_is_old_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By this machine's clock, as that of the file system may be another's."""
    now_ns = HOUR_NS
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    monkeypatch.setattr(table_files, "_changed_ns", lambda folder: folder.stat().st_ino)
    folder = table_in(tmp_path)
    looks = Looks(LanceFiles(folder))
    looks.unsynced()
    now_ns += 2 * 10**9 - 1
    assert looks.unsynced() == set()
    late = make(folder / "data" / "late.lance")
    assert looks.unsynced() == {late, late.parent}
    now_ns += 1
    assert looks.unsynced() == set()
    make(folder / "data" / "b.lance")  # the clock of the file system would have gone on by now
    assert looks.unsynced() == set()


def test_a_file_that_gets_its_name_in_a_settled_folder_is_found_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "_SETTLED_NS", 0)
    folder = table_in(tmp_path)
    looks = Looks(LanceFiles(folder))
    staged = make(folder / "data" / f"b.lance{STAGED[1]}1")
    assert staged not in looks.unsynced()
    assert looks.unsynced() == set()
    named = staged.rename(folder / "data" / "b.lance")
    assert looks.unsynced() == {named, named.parent}


def test_a_table_that_is_made_anew_under_its_name_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "_SETTLED_NS", 0)
    folder = table_in(tmp_path)
    looks = Looks(LanceFiles(folder))
    looks.unsynced()
    looks.unsynced()
    folder.rename(tmp_path / "gone")
    assert looks.unsynced() == set()
    made = table_in(tmp_path)
    assert looks.unsynced() >= {path for path in made.rglob("*") if path.is_file()}


def test_what_upkeep_makes_beside_commits_is_synced_and_what_it_removes_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock of the file system as coarse as the coarsest of Linux."""
    monkeypatch.setattr(table_files, "_changed_ns", lambda path: path.stat().st_ctime_ns // TICK_NS * TICK_NS)
    monkeypatch.setattr(table_files, "_SETTLED_NS", 2 * TICK_NS)
    synced: set[Path] = set()
    store = DurableStore(tmp_path, "m", owned=lambda _name: True, disk=Disk(sync=synced.add))
    store.recover()
    tables = LanceTables(tmp_path, before_removal=store.sync)
    rows = pa.table({"key": [f"k{number}" for number in range(100)], "value": range(100)})
    tables.ensure("one", rows.schema, Indexes(keyed=("key", "value")))
    stopped = threading.Event()

    def upkeep() -> None:
        beside = LanceTables(tmp_path, before_removal=store.sync)
        while not stopped.is_set():
            beside.tend("one", UpkeepPolicy(tail_fragments=2, least_rows=100, most_parts=2))

    thread = threading.Thread(target=upkeep)
    thread.start()
    for _ in range(30):
        tables.append("one", rows)
        store.sync()
    stopped.set()
    thread.join()
    store.sync()
    tables.optimize("one")
    store.sync()
    found = {path for path in (tmp_path / "one.lance").rglob("*") if not any(sign in path.name for sign in STAGED)}
    assert len(found) > 30
    assert found <= synced
    store.close()


def commit_to(folder: Path, version: int, *names: str) -> set[Path]:
    """What a commit consists of that adds these files: itself, they, and the folders in which they are new."""
    lines = [json.dumps({"add": {"path": name}}) for name in names]
    commit = make(folder / LOG / f"{version:020d}.json")
    commit.write_text("\n".join([json.dumps({"commitInfo": {}}), *lines]))
    added = {make(folder / name) for name in names}
    return {commit, commit.parent} | added | {path.parent for path in added}


def test_a_commit_to_a_delta_table_is_found_without_a_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a folder of a partition is synced with those above it once."""
    looks = Looks(DeltaFiles(tmp_path))
    first = commit_to(tmp_path, 0, "tenant=a/day=1/0.parquet")
    assert looks.unsynced() == first | {tmp_path, tmp_path / "tenant=a", tmp_path / LOG / "_last_checkpoint"}
    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", None)
        assert looks.unsynced() == set()
        several = commit_to(tmp_path, 1, "tenant=a/day=1/1.parquet") | commit_to(
            tmp_path, 2, "tenant=a/day=1/2.parquet"
        )
        assert looks.unsynced() == several
        new = commit_to(tmp_path, 3, "tenant=a/day=2/0.parquet", "tenant=a/day=1/3.parquet")
        assert looks.unsynced() == new | {tmp_path, tmp_path / "tenant=a"}
    late = commit_to(tmp_path, 4, "tenant=a/day=2/1.parquet")
    checkpoint, hint = (make(tmp_path / LOG / name) for name in (f"{3:020d}.checkpoint.parquet", "_last_checkpoint"))
    found = looks.unsynced()
    assert late | {checkpoint, hint} <= found
    assert not {path for path in found if path.suffix == ".parquet"} - late - {checkpoint}, "synced before"
    assert DeltaFiles(tmp_path).look(Listing(), Listing()) == {"version": 4, "checkpoint": 3}
    assert looks.unsynced() == set()
