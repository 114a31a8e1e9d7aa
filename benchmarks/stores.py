"""`make bench-stores`: does a cell cost the same in a store of any size? Both sinks are filled through their operators,
each in a process of its own, beside each other, with new footage, changed versions (10 %) and deletions (1 %).

    python -m benchmarks.stores [--cells 300000] [--directory DIR] [--json FILE] [--no-verify]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.harness import Report
from benchmarks.testbed.store_fill import SINKS, bytes_under, row_bytes
from benchmarks.testbed.store_stream import CHANGED, DELETED, DIMENSIONS, MOMENTS_A_CELL, SPACE, THUMBNAIL_BYTES
from benchmarks.testbed.table_readers import READERS, counted
from sinks.maintenance.verify import verify
from stream.pipelines.stages import PARQUET

MARKS = (5_000, 50_000, 300_000)
LEAST_CELLS = 1_000
"""Between two marks, and to the first one."""
_LOOK_S = 2.0
"""Between two looks at what lies on disk."""
_TOLD_EVERY = 10_000
"""Cells between two lines where there is no terminal for a bar."""
_FILL = "benchmarks.testbed.store_fill"


@dataclass(slots=True)
class Filled:
    """What is known of one sink. `most_bytes`: what lay on disk at most before each mark."""

    directory: Path
    marks: list[dict[str, Any]] = field(default_factory=list)
    most_bytes: list[int] = field(default_factory=lambda: [0])
    tended_bytes: int = 0

    def look(self) -> None:
        self.most_bytes[-1] = max(self.most_bytes[-1], bytes_under(self.directory))

    def marked(self, mark: dict[str, Any]) -> None:
        self.marks.append(mark)
        self.most_bytes[-1] = max(self.most_bytes[-1], mark["disk_bytes"])
        self.most_bytes.append(0)


def marks_up_to(cells: int) -> tuple[int, ...]:
    """The usual marks well below, and the end: what is done alone at a mark fills some hundred cells of the way on."""
    return (*(mark for mark in MARKS if mark + LEAST_CELLS <= cells), cells)


def fill(
    root: Path,
    stages: Sequence[str],
    marks: Sequence[int],
    console: Console,
    keep: Callable[[Mapping[str, Filled]], None],
) -> dict[str, Filled]:
    """All these sinks at once. `keep` is called when all have reached a mark: a run that is cut off keeps those before.
    Raises `RuntimeError` where one of them fails.
    """
    filled, kept = {stage: Filled(root / stage) for stage in stages}, 0
    with _filling(filled, marks) as (processes, lines), _progress(console) as bar:
        tasks, looked_s = {stage: bar.add_task(stage, total=marks[-1]) for stage in filled}, time.monotonic()
        while lines.qsize() or any(process.poll() is None for process in processes):
            with suppress(Empty):
                _take(*lines.get(timeout=_LOOK_S), filled, bar, tasks)
                if (reached := marks_reached(filled)) > kept:
                    kept = reached
                    keep(filled)
            # By the clock, as a sink says something at each commit.
            if time.monotonic() - looked_s >= _LOOK_S:
                for item in filled.values():
                    item.look()
                looked_s = time.monotonic()
    if failed := [stage for stage, process in zip(filled, processes, strict=True) if process.returncode]:
        raise RuntimeError(f"{' and '.join(failed)} could not be filled; what went wrong stands above")
    return filled


def marks_reached(filled: Mapping[str, Filled]) -> int:
    """How many of them all sinks have reached."""
    return min(len(item.marks) for item in filled.values())


@contextmanager
def _filling(
    filled: Mapping[str, Filled], marks: Sequence[int]
) -> Iterator[tuple[list[subprocess.Popen[str]], "SimpleQueue[tuple[str, dict[str, Any]]]"]]:
    """A process a sink, and what they say."""
    lines: SimpleQueue[tuple[str, dict[str, Any]]] = SimpleQueue()
    processes, readers = [], []
    for stage, item in filled.items():
        command = [sys.executable, "-m", _FILL, stage, str(item.directory), *map(str, marks)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment(stage))
        reader = threading.Thread(target=_read, args=(stage, process, lines), daemon=True)
        reader.start()
        processes.append(process)
        readers.append(reader)
    try:
        yield processes, lines
    finally:
        for process, reader in zip(processes, readers, strict=True):
            process.terminate()
            process.wait()
            reader.join()
            assert process.stdout is not None
            process.stdout.close()


def _environment(stage: str) -> dict[str, str]:
    """That of a process which runs this stage: see `stream.cli.app.main`."""
    return {**os.environ, **({"ARROW_DEFAULT_MEMORY_POOL": "system"} if stage == PARQUET else {})}


def _read(stage: str, process: subprocess.Popen[str], lines: "SimpleQueue[tuple[str, dict[str, Any]]]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put((stage, json.loads(line)))


def _take(
    stage: str, line: dict[str, Any], filled: Mapping[str, Filled], bar: Progress, tasks: Mapping[str, TaskID]
) -> None:
    match line:
        case {"cells": cells}:
            before = bar.tasks[tasks[stage]].completed
            bar.update(tasks[stage], completed=cells)
            if not bar.console.is_terminal and cells // _TOLD_EVERY > before // _TOLD_EVERY:
                bar.console.print(f"{stage}: {cells} cells")
        case {"mark": mark}:
            filled[stage].marked(mark)
            bar.console.print(_told(stage, mark))
        case {"tended_bytes": tended}:
            filled[stage].tended_bytes = tended


def _told(stage: str, mark: Mapping[str, Any]) -> str:
    """One line, as soon as it is known: what is left may take long."""
    return (
        f"{stage}, {mark['cells']} cells: {mark['cpu_s_per_1000']:.2f} CPU-s per 1,000 cells, longest commit "
        f"{mark['longest_commit_s']:.2f} s, {mark['peak_memory_bytes'] / 2**20:.0f} MiB of memory, "
        f"{mark['disk_bytes'] / 2**20:.0f} MiB on disk"
    )


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} cells"))
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True)


def readers_agree(root: Path) -> dict[str, int]:
    """Moments as verify and as each outside reader counts them. Raises `RuntimeError` where they are not the same."""
    told = verify(root / "index", root / "parquet")
    found = {"verify": sum(item.moments for item in told.spaces)}
    found |= {name: counted(name, root / "parquet" / "moments", SPACE.key) for name in READERS}
    if not told.agrees or len(set(found.values())) != 1:
        raise RuntimeError(f"the stores {'agree' if told.agrees else 'differ'}; moments: {found}")
    return found


def report_of(filled: Mapping[str, Filled], marks: Sequence[int], readers: Mapping[str, int]) -> Report:
    """Of the marks that all sinks have reached."""
    marks = marks[: marks_reached(filled)]
    report = Report(
        f"Both sinks from empty to {marks[-1]:,} cells ({MOMENTS_A_CELL} moments a cell, {DIMENSIONS} dimensions, "
        f"{THUMBNAIL_BYTES} B thumbnails, {CHANGED:.0%} changed versions, {DELETED:.0%} deletions drawn from all "
        f"that is there; CPU and cells/s over the second half of the way to each mark)"
    )
    size = row_bytes()
    for stage, item in filled.items():
        for at, cells in enumerate(marks):
            _add_mark(report, f"{stage}, {cells} cells", item.marks[at], item.marks[0])
            _add_disk(report, f"{stage}, {cells} cells", item, at, size)
        if item.tended_bytes:
            _add_maintained(report, f"{stage}, {marks[-1]} cells", item, size)
    for at, cells in enumerate(marks if len(filled) == len(SINKS) else ()):
        both = [item.marks[at] for item in filled.values()]
        report.add(
            f"both, {cells} cells: cells/s on 2 cores by CPU",
            2000 / sum(item["cpu_s_per_1000"] for item in both),
            "cells/s",
            note=f"as it went here: {min(item['cells_per_s'] for item in both):.4g} cells/s",
        )
    report.add("row as Arrow holds it", size, "B")
    for reader, moments in readers.items():
        report.add(f"moments counted by {reader}", moments, "moments")
    return report


def _add_mark(report: Report, name: str, mark: Mapping[str, Any], first: Mapping[str, Any]) -> None:
    def beside(value: float, before: float) -> str:
        return f"{value / before:.2f}x of the first mark"

    cost, first_cost = mark["cpu_s_per_1000"], first["cpu_s_per_1000"]
    report.add(f"{name}: CPU per 1,000 cells", cost, "CPU-s", note=beside(cost, first_cost))
    # Of CPU seconds alone: the same work takes up to twice as many on a machine that others use too.
    growth = (cost / mark["yardstick_s"]) / (first_cost / first["yardstick_s"])
    note = f"a fixed piece of work took {1000 * mark['yardstick_s']:.3g} CPU-ms meanwhile"
    report.add(
        f"{name}: CPU per cell by a fixed piece of work", growth, "x of the first mark", limit="at most 1.2x", note=note
    )
    with_syncs = cost / (cost - mark["sync_cpu_s_per_1000"])
    note = f"of which {mark['sync_cpu_s_per_1000']:.2g} CPU-s per 1,000 cells make commits durable"
    report.add(f"{name}: CPU with syncs by CPU without", with_syncs, "x", limit="at most 1.1x", note=note)
    for kind, cost in mark["cpu_s_per_1000_by_kind"].items():
        note = beside(cost, first["cpu_s_per_1000_by_kind"][kind])
        report.add(f"{name}: CPU per 1,000 {kind} cells", cost, "CPU-s", note=note)
    note = f"median {mark['median_commit_s']:.3g} s; heaviest {mark['heaviest_commit_cpu_s']:.3g} CPU-s"
    report.add(f"{name}: longest commit", mark["longest_commit_s"], "s", limit="at most 2 s", note=note)
    memory, first_memory = mark["peak_memory_bytes"], first["peak_memory_bytes"]
    note = beside(memory, first_memory)
    report.add(f"{name}: peak memory", memory / 2**20, "MiB", limit="at most 1.3x", note=note)
    note = f"{mark['opened_cpu_s']:.3g} CPU-s"
    report.add(f"{name}: opened anew in", mark["opened_s"], "s", limit="at most 5 s", note=note)


def _add_disk(report: Report, name: str, item: Filled, at: int, size: float) -> None:
    rows = item.marks[at]["live_moments"] * size
    report.add(f"{name}: live rows", rows / 2**20, "MiB")
    for when, found, limit in (("at rest", item.marks[at]["disk_bytes"], 2), ("at most", item.most_bytes[at], 3)):
        note = f"{found / rows:.2f}x of live rows"
        report.add(f"{name}: disk {when}", found / 2**20, "MiB", limit=f"at most {limit}x", note=note)


def _add_maintained(report: Report, name: str, item: Filled, size: float) -> None:
    """Beside the last mark: what is joined lies there twice until nobody reads it any more."""
    rows = item.marks[-1]["live_moments"] * size
    most = max(item.most_bytes[-1], item.tended_bytes)
    for when, found in (("after maintenance", item.tended_bytes), ("at most while it is maintained", most)):
        note = f"{found / rows:.2f}x of live rows"
        report.add(f"{name}: disk {when}", found / 2**20, "MiB", limit="at most 3x", note=note)


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=MARKS[-1], help="how many cells each store is given")
    parser.add_argument("--directory", type=Path, help="where the stores lie meanwhile (5 GB at 300,000 cells)")
    parser.add_argument("--sink", choices=list(SINKS), help="only this one, without the comparison")
    parser.add_argument("--json", type=Path, help="write the figures here as well, from mark to mark")
    parser.add_argument("--no-verify", action="store_true", help="leave out the comparison of stores and readers")
    options = parser.parse_args(words)
    if options.cells < LEAST_CELLS:
        parser.error(f"--cells: at least {LEAST_CELLS}")
    return options


def main(words: Sequence[str] | None = None) -> Report:
    """Figures are kept under `benchmarks/results` from the full size on."""
    options = _options(words)
    marks, stages = marks_up_to(options.cells), [options.sink] if options.sink else list(SINKS)
    compared = len(stages) == len(SINKS) and not options.no_verify
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        filled = fill(
            Path(folder),
            stages,
            marks,
            Console(stderr=True),
            lambda so_far: _keep(report_of(so_far, marks, {}), options),
        )
        report = report_of(filled, marks, readers_agree(Path(folder)) if compared else {})
    report.show()
    _keep(report, options)
    # Whole ones alone: documents are derived from them.
    if options.cells >= MARKS[-1] and compared:
        report.write("stores")
    return report


def _keep(report: Report, options: argparse.Namespace) -> None:
    if options.json:
        options.json.write_text(report.text())


if __name__ == "__main__":
    main()
