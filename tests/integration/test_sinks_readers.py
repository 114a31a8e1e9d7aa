"""What engines of others count in the Delta table is what verify counts, and the index sink says what the benchmark of
both stores lets the Delta sink hear.
"""

import mmap
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.stores import fill, marks_up_to, readers_agree
from benchmarks.testbed.peak_memory import forget_peak, peak_bytes
from benchmarks.testbed.store_fill import Filling, Mark, bytes_under, require_said
from benchmarks.testbed.store_stream import CELLS_AN_ASSET, MOMENTS_A_CELL, SPACE, Kind, StoreStream
from benchmarks.testbed.table_readers import READERS, counted
from sinks.delta.sink import DeltaSink
from sinks.lance.sink import LanceSink
from stream.clock import SystemClock
from stream.events.asset import ContentRetired
from stream.events.base import Event


class Fed:
    """Both sinks, given the same stream; the Delta sink hears what the index sink says is retired."""

    def __init__(self, root: Path) -> None:
        self.root, self.stream = root, StoreStream()
        self.index = LanceSink(root / "index", SystemClock())
        self.parquet = DeltaSink(root / "parquet", SystemClock())
        self.index.open()
        self.parquet.open()

    def feed(self, batches: int, kind: Kind | None = None) -> None:
        for _ in range(batches):
            self._one(self.stream.batch(kind).events)
        self._one(self.stream.rest().events)

    def _one(self, events: list[Event]) -> None:
        said = list(self.index.process(events))
        list(self.parquet.process([*events, *(item for item in said if isinstance(item.data, ContentRetired))]))

    def counts(self) -> dict[str, int]:
        return {name: counted(name, self.root / "parquet" / "moments", SPACE.key) for name in READERS}

    @property
    def live(self) -> int:
        return self.stream.live_cells * MOMENTS_A_CELL


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fed]:
    both = Fed(tmp_path_factory.mktemp("stores"))
    both.feed(3, Kind.NEW)
    yield both
    both.index.close()
    both.parquet.close()


def test_readers_count_what_verify_counts(fed: Fed) -> None:
    """At each step of a table's life: appended to, replaced, compacted, deleted from, compacted again, purged."""
    names = {"verify", *READERS}
    assert readers_agree(fed.root) == dict.fromkeys(names, fed.live)
    for kind, purge in ((Kind.REPLACED, False), (Kind.DELETED, False), (None, True)):
        before = fed.live
        fed.feed(1, kind)
        assert kind is Kind.REPLACED or fed.live != before
        assert fed.counts() == dict.fromkeys(READERS, fed.live), kind
        for sink in (fed.index, fed.parquet):
            sink.maintain(purge=purge)
        assert readers_agree(fed.root) == dict.fromkeys(names, fed.live), kind


def test_readers_that_disagree_are_told_of(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "Polars", lambda _table, _space: 7)
    with pytest.raises(RuntimeError, match="'Polars': 7"):
        readers_agree(fed.root)


@pytest.mark.parametrize("stage", ["index", "parquet"])
def test_a_sink_is_filled_and_measured(stage: str, tmp_path: Path) -> None:
    lines: list[dict[str, object]] = []
    filling = Filling(stage, tmp_path, StoreStream(), lines.append)
    filling.run([60])
    (mark,) = [line["mark"] for line in lines if "mark" in line]
    assert isinstance(mark, dict)
    assert set(mark) == set(Mark.__dataclass_fields__)
    assert mark["live_moments"] > 60 * MOMENTS_A_CELL * 0.8
    assert set(mark["cpu_s_per_1000_by_kind"]) == set(Kind)
    assert 0 < mark["sync_cpu_s_per_1000"] < mark["cpu_s_per_1000"]
    assert list(lines[-1]) == ["tended_bytes"]


def test_what_lies_on_disk_is_counted_while_folders_vanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one").write_bytes(b"123")
    (tmp_path / "two").write_bytes(b"4567")
    assert bytes_under(tmp_path) == 7
    assert bytes_under(tmp_path / "gone") == 0
    listed = list(os.walk(tmp_path))
    shutil.rmtree(tmp_path / "a")
    monkeypatch.setattr(os, "walk", lambda _directory: iter(listed))
    assert bytes_under(tmp_path) == 4


def test_what_a_store_takes_at_most_is_seen_however_often_its_sink_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.stores._FILL", "tests.support.programs.fill_and_tidy")
    monkeypatch.setattr("benchmarks.stores._LOOK_S", 0.1)
    filled = fill(tmp_path, ["index"], (300,), Console(quiet=True), lambda _: None)
    assert filled["index"].most_bytes == [1 << 20]
    assert bytes_under(tmp_path) == 0


def test_what_a_process_held_at_most_is_forgotten() -> None:
    forget_peak()
    before = peak_bytes()
    # Not from the allocator, which may keep what is freed.
    taken = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for page in range(0, len(taken), mmap.PAGESIZE):
        taken[page] = 1
    taken.close()
    assert peak_bytes() - before >= 60 << 20
    forget_peak()
    assert peak_bytes() - before < 60 << 20


def test_what_the_index_did_not_say_stops_the_benchmark() -> None:
    batch = StoreStream().batch()
    assert batch.retired
    with pytest.raises(RuntimeError, match="told of 0 retirements"):
        require_said(batch.retired, [])


def test_streams_of_one_seed_are_alike_and_keep_count() -> None:
    one, other = StoreStream(), StoreStream()
    for kind in (Kind.NEW, Kind.NEW, None):
        batch, again = one.batch(kind), other.batch(kind)
        assert [it.data.partition_key() for it in batch.events] == [it.data.partition_key() for it in again.events]
        assert batch.retired == again.retired
    one.rest()
    held = one.live_cells
    gone = one.batch(Kind.DELETED, records=5)
    assert gone.deleted_cells == 5 * CELLS_AN_ASSET
    assert one.live_cells == held - gone.deleted_cells
    replaced = one.batch(Kind.REPLACED)
    one.rest()
    assert replaced.cells > 0
    assert one.live_cells == held - gone.deleted_cells


def test_marks_end_where_the_filling_ends() -> None:
    assert marks_up_to(300_000) == (5_000, 50_000, 300_000)
    assert marks_up_to(20_000) == (5_000, 20_000)
    assert marks_up_to(300) == (300,)
    assert marks_up_to(5_100) == (5_100,)
