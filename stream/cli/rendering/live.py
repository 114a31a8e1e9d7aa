"""The live progress of an ingest by stage, and its closing table."""

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from stream.cli.rendering.sanitize import shown
from stream.clock import Clock
from stream.control.progress import Progress as ProgressState
from stream.events.asset import AssetChanged, AssetStatus
from stream.events.grid import SECOND_NS, timecode
from stream.events.ids import clip_name, default_asset_id
from stream.topology.topology import Topology

STYLES = {
    AssetStatus.READY: "green",
    AssetStatus.PARTIAL: "yellow",
    AssetStatus.FAILED: "red",
    AssetStatus.PLANNED: "cyan",
    AssetStatus.DELETED: "dim",
}


class Lines:
    """Plain lines for a log: at most one per `interval_s`, and never the same line twice in a row."""

    def __init__(self, console: Console, clock: Clock, interval_s: float) -> None:
        self._console = console
        self._clock = clock
        self._interval_s = interval_s
        self._last = ""
        self._due_s = clock.monotonic_s() + interval_s

    def say(self, line: str) -> None:
        now_s = self._clock.monotonic_s()
        if line != self._last and now_s >= self._due_s:
            self._last, self._due_s = line, now_s + self._interval_s
            self._console.print(line, markup=False)


class LiveProgress:
    """Bars in video-seconds: one for each stage of `topology` that reports progress, against what the first stage
    plans. Prints `lines` instead if the output is not a terminal. Use as a context manager.

    `waits` gives, by stage, how long footage waits there, in words.
    """

    def __init__(
        self,
        console: Console,
        asset_count: int,
        topology: Topology,
        *,
        lines: Lines | None = None,
        waits: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._asset_count = asset_count
        planner = topology.planner
        self._planner = "" if planner is None else planner.name
        self._waits = waits
        # Bars need a cursor: in a log they would be thousands of lines.
        self._lines = None if console.is_terminal else lines
        self._bars = Progress(
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TextColumn("[yellow]{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            # Without a terminal rich would print the bars once more at the end.
            disable=not console.is_terminal,
        )
        self._letters = self._bars.add_task("letters", total=0, unit="letters", note="", visible=False)
        self._replayed = ""
        self._assets = self._bars.add_task("assets", total=asset_count, unit="assets ", note="")
        self._stages: dict[str, TaskID] = {
            stage.name: self._bars.add_task(stage.name, total=None, unit="video s", note="")
            for stage in topology.stages
            if topology.reports(stage) and stage.name != self._planner
        }

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def replayed(self, done: int, total: int) -> None:
        """Shows how many dead letters of a replay are done."""
        self._replayed = f"{done} of {total} letters; "
        self._bars.update(self._letters, completed=done, total=total, visible=True)

    def update(self, state: ProgressState, paused: Mapping[str, str]) -> None:
        """Updates the bars. `paused` maps a stage to the reason why it waits."""
        waits = self._waits()
        # A reason to pause says more than a time.
        notes = {**waits, **paused}
        totals = state.totals()
        planned = totals.get(self._planner)
        total_s = round(planned.done / SECOND_NS) if planned else None
        done_s = {name: round(totals[name].settled / SECOND_NS) if name in totals else 0 for name in self._stages}
        for name, task in self._stages.items():
            # A finished stage waits for nothing.
            note = "" if done_s[name] == total_s else notes.get(name, "")
            self._bars.update(task, completed=done_s[name], total=total_s, note=note)
        changes = state.changes()
        final = sum(change.status.final for change in changes)
        damaged = sum(bool(change.damaged_ns) for change in changes)
        hurt = f"{damaged} damaged" if damaged else ""
        self._bars.update(self._assets, completed=final, note=notes.get(self._planner, hurt))
        # Before the first plan there is no total to compare with.
        if self._lines is not None and total_s is not None:
            stages = ", ".join(f"{name} {seconds}" for name, seconds in done_s.items())
            oldest = "".join(f"; {stage} {words}" for stage, words in waits.items())
            self._lines.say(
                f"{self._replayed}of {total_s} video s: {stages}; {final} of {self._asset_count} assets final"
                f"{f' ({hurt})' if hurt else ''}{oldest}"
            )


def closing_table(changes: Iterable[AssetChanged]) -> Table:
    """One row per asset: status, length, cells, and the reason if something is missing."""
    table = Table(title="Assets", title_justify="left")
    for column in ("asset", "status", "length", "cells", "reason"):
        table.add_column(column, justify="right" if column in ("length", "cells") else "left", overflow="fold")
    for change in changes:
        style = STYLES[change.status]
        table.add_row(
            shown(_name(change)),
            f"[{style}]{change.status}[/]",
            timecode(change.duration_ns) if change.duration_ns else "",
            f"{change.segments_done}/{change.segment_count}" if change.segment_count else "",
            shown(reason(change)),
        )
    return table


def _name(change: AssetChanged) -> str:
    """The id that somebody chose for it; otherwise the name of its file."""
    chosen = change.asset.asset_id
    return clip_name(change.uri) if change.uri and chosen == default_asset_id(change.uri) else chosen


class Outcomes(Protocol):
    """The outcome of an asset, from an event or from the index."""

    @property
    def reason(self) -> str | None: ...
    @property
    def missing_ns(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def damaged_ns(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


def reason(outcomes: Outcomes) -> str:
    """Why an asset is incomplete, in words, with missing and damaged ranges and notes."""
    parts = [outcomes.reason] if outcomes.reason else []
    parts += [f"missing {_ranges(outcomes.missing_ns)}"] if outcomes.missing_ns else []
    parts += [f"damaged {_ranges(outcomes.damaged_ns)}"] if outcomes.damaged_ns else []
    return "; ".join([*parts, *outcomes.notes])


def _ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    listed = ", ".join(f"{timecode(start)}-{timecode(end)}" for start, end in ranges[:5])
    return listed + (f" and {len(ranges) - 5} more" if len(ranges) > 5 else "")
