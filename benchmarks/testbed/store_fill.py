"""Fills one sink through its operator and measures it (see `benchmarks.stores`). Runs in a process of its own.

python -m benchmarks.testbed.store_fill index|parquet DIRECTORY MARK [MARK …]

Prints a line of JSON for what happens: how many cells were written since the last line, and a mark's figures.
"""

import json
import os
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.testbed.peak_memory import forget_peak, peak_bytes
from benchmarks.testbed.store_stream import MOMENTS_A_CELL, Batch, Kind, StoreStream
from benchmarks.testbed.sync_meter import SyncMeter
from benchmarks.testbed.yardstick import Yardstick
from sinks.delta.sink import DeltaSink
from sinks.durability.durable_store import Disk
from sinks.lance.sink import LanceSink
from sinks.protocol import Sink
from stream.clock import SystemClock
from stream.events.annotations import Annotations
from stream.events.asset import ContentRetired
from stream.events.base import Event
from stream.runtime.malloc import keep_freed_memory, share_heaps

SINKS: dict[str, Callable[[Path, Disk], Sink]] = {
    "index": lambda directory, disk: LanceSink(directory, SystemClock(), disk=disk),
    "parquet": lambda directory, disk: DeltaSink(directory, SystemClock(), disk=disk),
}
_COMMITS_A_LOOK = 8
PROBE_CELLS = {Kind.NEW: 240, Kind.REPLACED: 240, Kind.DELETED: 120}
"""How much of each kind is done alone at a mark, to tell what it costs."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A sink at so many cells. CPU is the sink's own, its upkeep included, over the second half of the way to the mark,
    as are cells a second; of a kind it is CPU-s per 1,000 cells written, or taken away. Commits and memory are those
    since the mark before. On a busy machine a commit waits for a core: its CPU, with that of upkeep beside it, tells
    what it would take at most. `sync_cpu_s_per_1000` is the part of the CPU that makes commits durable.
    `yardstick_s` is the CPU that a fixed piece of work took meanwhile.
    """

    cells: int
    cpu_s_per_1000: float
    sync_cpu_s_per_1000: float
    yardstick_s: float
    cells_per_s: float
    cpu_s_per_1000_by_kind: dict[str, float]
    longest_commit_s: float
    median_commit_s: float
    heaviest_commit_cpu_s: float
    peak_memory_bytes: int
    disk_bytes: int
    live_moments: int
    opened_s: float
    opened_cpu_s: float


@dataclass(frozen=True, slots=True)
class _Spent:
    cells: int
    cpu_s: float
    wall_s: float
    sync_cpu_s: float

    def since(self, before: "_Spent") -> "_Spent":
        return _Spent(
            self.cells - before.cells,
            self.cpu_s - before.cpu_s,
            self.wall_s - before.wall_s,
            self.sync_cpu_s - before.sync_cpu_s,
        )


@dataclass(slots=True)
class Filling:
    """One sink, one stream of records. `tell` is given every line that is to be printed."""

    stage: str
    directory: Path
    stream: StoreStream
    tell: Callable[[dict[str, object]], None]
    cells: int = 0
    _made_s: float = 0.0
    _spent: list["_Spent"] = field(default_factory=list)
    _commits_s: list[float] = field(default_factory=list)
    _commits_cpu_s: list[float] = field(default_factory=list)
    _retired: list[ContentRetired] = field(default_factory=list)
    _syncs: SyncMeter = field(default_factory=SyncMeter)
    _yardstick: Yardstick = field(default_factory=Yardstick)
    _sink: Sink = field(init=False)

    def run(self, marks: Sequence[int]) -> None:
        """In a process as a stage has it. The first commit makes tables and loads libraries; it is not measured."""
        keep_freed_memory()
        share_heaps()
        with self._syncs.attached():
            self._filled(marks)

    def _filled(self, marks: Sequence[int]) -> None:
        self._open()
        self._feed(self.stream.batch)
        for mark in marks:
            forget_peak()
            self._commits_s.clear()
            self._commits_cpu_s.clear()
            self._spent = [self._now()]
            while self.cells < mark:
                self._feed(self.stream.batch)
            self.tell({"mark": asdict(self._measured(mark))})
        self._sink.maintain()
        self._sink.close()
        self.tell({"tended_bytes": bytes_under(self.directory)})

    def _measured(self, mark: int) -> Mark:
        """The sink is closed, so that its upkeep has ended, and opened anew."""
        self._flush()
        self._sink.close()
        self._spent.append(self._now())
        spent, commits_s = self._second_half(mark), sorted(self._commits_s)
        peak, disk = peak_bytes(), bytes_under(self.directory)
        live = self._live_moments()
        before = self._now()
        self._open()
        opened = self._now().since(before)
        return Mark(
            cells=mark,
            cpu_s_per_1000=1000 * spent.cpu_s / spent.cells,
            sync_cpu_s_per_1000=1000 * spent.sync_cpu_s / spent.cells,
            yardstick_s=self._yardstick.median_s(mark // 2),
            cells_per_s=spent.cells / spent.wall_s,
            cpu_s_per_1000_by_kind={kind.value: self._cost_of(kind) for kind in Kind},
            longest_commit_s=commits_s[-1],
            median_commit_s=commits_s[len(commits_s) // 2],
            heaviest_commit_cpu_s=max(self._commits_cpu_s),
            peak_memory_bytes=peak,
            disk_bytes=disk,
            live_moments=live,
            opened_s=opened.wall_s,
            opened_cpu_s=opened.cpu_s,
        )

    def _open(self) -> None:
        self._sink = SINKS[self.stage](self.directory, self._syncs.disk)
        self._sink.open()

    def _second_half(self, mark: int) -> "_Spent":
        at = min(bisect_left(self._spent, mark // 2, key=lambda item: item.cells), len(self._spent) - 2)
        return self._spent[-1].since(self._spent[at])

    def _live_moments(self) -> int:
        live = self.stream.live_cells * MOMENTS_A_CELL
        if (stored := stored_moments(self.stage, self.directory)) != live:
            raise RuntimeError(f"{self.stage} holds {stored} moments, {live} are live")
        return live

    def _cost_of(self, kind: Kind) -> float:
        """CPU-s per 1,000 cells of this kind alone, with what the index says of them."""
        before, done = self._now(), 0
        while done < PROBE_CELLS[kind]:
            batch = self._feed(lambda: self.stream.batch(kind, records=8 if kind is Kind.DELETED else 64))
            done += batch.deleted_cells if kind is Kind.DELETED else batch.cells
        rest = self._flush()
        done += rest.deleted_cells if kind is Kind.DELETED else rest.cells
        return 1000 * self._now().since(before).cpu_s / done

    def _flush(self) -> Batch:
        """What is under way, to its end. The other stores hear of it once more, as nothing follows."""
        batch = self._feed(self.stream.rest)
        if self.stage == "parquet":
            self._feed(Batch)
        return batch

    def _feed(self, make: Callable[[], Batch]) -> Batch:
        """One commit. The index's word on what is retired reaches the Delta table with the next one, as from the topic;
        that the index did say this is looked at here.
        """
        with self._making():
            batch = make()
            events = batch.events + [_told(item) for item in self._retired if self.stage == "parquet"]
        before = self._now()
        outputs = list(self._sink.process(events)) if events else []
        took = self._now().since(before)
        self._commits_s.append(took.wall_s)
        self._commits_cpu_s.append(took.cpu_s)
        with self._making():
            if self.stage == "index":
                require_said(batch.retired, outputs)
            self._retired = batch.retired
            self.cells += batch.cells
            self.tell({"cells": self.cells})
            if len(self._commits_s) % _COMMITS_A_LOOK == 0:
                self._yardstick.look(self.cells)
        self._spent.append(self._now())
        return batch

    @contextmanager
    def _making(self) -> Iterator[None]:
        """The benchmark's own work, which is not the sink's."""
        start_s = time.thread_time()
        try:
            yield
        finally:
            self._made_s += time.thread_time() - start_s

    def _now(self) -> "_Spent":
        return _Spent(self.cells, time.process_time() - self._made_s, time.monotonic(), self._syncs.cpu_s)


def require_said(expected: Sequence[ContentRetired], outputs: Sequence[Event]) -> None:
    """The Delta table is told what the index would tell it, else the benchmark measures a dream."""
    said = {item.data for item in outputs if isinstance(item.data, ContentRetired)}
    if said != set(expected):
        raise RuntimeError(f"the index told of {len(said)} retirements, {len(set(expected))} were expected")


def stored_moments(stage: str, directory: Path) -> int:
    """Counted by a reader that is not the sink."""
    if stage == "parquet":
        from deltalake import DeltaTable

        return int(DeltaTable(str(directory / "moments")).count())
    import lancedb

    store = lancedb.connect(directory)
    names = [path.stem for path in directory.glob("moments_*.lance")]
    return sum(store.open_table(name).count_rows() for name in names)


def bytes_under(directory: Path) -> int:
    """Of all files, of which some may vanish meanwhile, as may folders."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(folder, name).lstat().st_size
    return total


def row_bytes(moments: int = MOMENTS_A_CELL * 64) -> float:
    """Of one stored moment, as Arrow holds it: what "the size of the rows" means here."""
    from sinks.schema import stored_rows

    found = [item.data for item in StoreStream().batch().events if isinstance(item.data, Annotations)]
    rows = stored_rows(found).slice(0, moments)
    return float(rows.nbytes / rows.num_rows)


def _told(item: ContentRetired) -> Event:
    return Event(item, tenant=item.tenant, project="news", subject=item.asset_id, event_time_ms=item.up_to.append_ms)


def main(stage: str, directory: str, *marks: str) -> None:
    def tell(line: dict[str, object]) -> None:
        print(json.dumps(line), flush=True)

    Filling(stage, Path(directory), StoreStream(), tell).run([int(mark) for mark in marks])


if __name__ == "__main__":
    main(*sys.argv[1:])
