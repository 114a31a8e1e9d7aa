"""Jobs for a person: tables, and a bar while they are worked on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stream.cli.rendering.job_costs import total
from stream.cli.rendering.sanitize import shown
from stream.clock import Clock
from stream.jobs.waits import at_work, held_up

_COLOURS = {
    "done": "green",
    "partial": "yellow",
    "failed": "red",
    "blocked": "yellow",
    "canceled": "dim",
    "budget_exhausted": "yellow",
    "paused": "yellow",
}
MOST_ROWS = 50


def jobs_table(jobs: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(title="Jobs", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("job", "project", "state", "lane"):
        table.add_column(name, overflow="fold")
    for name in ("done", "failed", "of", "CPU s"):
        table.add_column(name, justify="right")
    table.add_column("submitted")
    for job in jobs:
        counts = (str(job["done"]), str(job["failed"]), str(job["variants"]), f"{job['cost']['cpu_s']:.1f}")
        told = (shown(job["job"]), shown(job["project"]), state_text(job["state"]), job["lane"])
        table.add_row(*told, *counts, moment(job["submitted_ms"]))
    return table


def stages_table(job: Mapping[str, Any], now_ms: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage")
    for name in ("finished", "of", "at work"):
        table.add_column(name, justify="right")
    for stage in job["stages"]:
        table.add_row(shown(stage["name"]), str(stage["done"]), str(job["variants"]), str(at_work(stage, now_ms)))
    return table


def variants_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What failed first, then the others; a long table says what it leaves out."""
    ordered = sorted(rows, key=lambda row: (row["state"] != "failed", row["number"]))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("row", "variant", "state", "stage", "CPU s", "cost", "why"):
        table.add_column(name, overflow="fold", justify="right" if name in {"row", "CPU s", "cost"} else "left")
    for row in ordered[:MOST_ROWS]:
        why = f"{row['message']} [{row['code']}]" if row.get("code") else ""
        told = (str(row["number"] + 1), shown(row["name"]), state_text(row["state"]), shown(row["stage"]))
        table.add_row(*told, f"{row['cost']['cpu_s']:.1f}", total(row["cost"]), shown(why))
    if len(ordered) > MOST_ROWS:
        table.caption = f"{len(ordered) - MOST_ROWS} more: `--json` has all"
    return table


@contextmanager
def live(console: Console, name: str, clock: Clock) -> Iterator["JobBar"]:
    """A bar on a terminal; elsewhere a line now and then."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield JobBar(console, progress, name, clock)


class JobBar:
    def __init__(self, console: Console, progress: Progress, name: str, clock: Clock) -> None:
        self._clock = clock
        self._console = console
        self._progress = progress
        self._name = name
        self._task = progress.add_task(shown(name), total=None, told="")
        self._said = ""

    def show(self, job: Mapping[str, Any]) -> None:
        ended, now_ms = job["done"] + job["failed"] + job["canceled"] + job.get("blocked", 0), self._clock.now_ms()
        working = [(stage["name"], at_work(stage, now_ms)) for stage in job["stages"]]
        busy = ", ".join(f"{name} {tasks}" for name, tasks in working if tasks)
        failed = f", {job['failed']} failed" if job["failed"] else ""
        waits = "".join(f"; {reason}" for reason in held_up(job, now_ms))
        told = f"{job['state']}{failed}{f'; at work: {busy}' if busy else ''}{waits}"
        self._progress.update(self._task, total=job["variants"], completed=ended, told=shown(told))
        line = f"{self._name}: {ended} of {job['variants']} variants, {job['state']}{failed}{waits}"
        if not self._console.is_terminal and line != self._said:
            self._said = line
            self._console.print(shown(line), soft_wrap=True, markup=False)


def state_text(state: str) -> str:
    colour = _COLOURS.get(state)
    return f"[{colour}]{state}[/{colour}]" if colour else state


def moment(ms: int | None) -> str:
    return "-" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
