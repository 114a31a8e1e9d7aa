"""What jobs cost and will cost, for a person."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.filesize import decimal
from rich.table import Table

from stream.cli.rendering.durations import duration_in_words
from stream.cli.rendering.sanitize import shown
from stream.jobs.delivering import DELIVERY
from stream.jobs.estimates import ASSUMED_FACTOR
from stream.jobs.prices import GIB

_SMALL = 0.1
_MOST_ROWS = 20
_MONEY = (
    ("cpu", "CPU"),
    ("gpu", "GPU"),
    ("stored", "stored while at work"),
    ("delivered", "delivered"),
    ("total", "in all"),
    ("wasted", "of these wasted"),
)


def cost_table(job: Mapping[str, Any], budget: Mapping[str, Any] | None = None) -> Table:
    """`budget`: of the tenant, if it has one."""
    cost, done = job["cost"], job["done"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("what")
    table.add_column("used", justify="right")
    table.add_row("CPU seconds", f"{cost['cpu_s']:.1f}")
    table.add_row("of these wasted (failed, canceled)", f"{cost['wasted_cpu_s']:.1f}")
    table.add_row("CPU seconds a finished variant", f"{cost['cpu_s'] / done:.2f}" if done else "-")
    if job.get("budget_cpu_s") is not None:
        table.add_row("budget of the job, CPU seconds", f"{job['budget_cpu_s']:.1f}")
    if budget is not None:
        table.add_row("budget of the tenant, CPU seconds", f"{budget['cpu_s']:.1f}")
        table.add_row("used of it by all jobs", f"{budget['used_cpu_s']:.1f}")
        table.add_row("reserved for parts in work", f"{budget['reserved_cpu_s']:.1f}")
    # No operator of this release computes on one: a zero would look measured.
    table.add_row("GPU seconds", f"{cost['gpu_s']:.1f}" if cost["gpu_s"] else "no device used")
    if cost["wasted_gpu_s"]:
        table.add_row("of these wasted", f"{cost['wasted_gpu_s']:.1f}")
    table.add_row("time of workers", duration_in_words(cost["wall_s"]))
    table.add_row("read", decimal(cost["read_bytes"]))
    table.add_row("written", decimal(cost["written_bytes"]))
    table.add_row("stored while at work", f"{cost['stored_byte_hours'] / GIB:.3f} GiB hours")
    table.add_row("delivered", decimal(cost["delivered_bytes"]))
    table.add_row("tasks computed", str(cost["tasks_computed"]))
    table.add_row("tasks known already", str(cost["tasks_reused"]))
    if money := cost.get("money"):
        for name, words in _MONEY:
            table.add_row(f"{money['currency']}, {words}", amount(money[name]))
    return table


def variant_costs_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The dearest first."""
    ordered = sorted(rows, key=lambda row: (-row["cost"]["cpu_s"], row["number"]))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", overflow="fold")
    for name in ("CPU s", "wasted", "written", "delivered", "money"):
        table.add_column(name, justify="right")
    for row in ordered[:_MOST_ROWS]:
        cost = row["cost"]
        units = f"{cost['cpu_s']:.1f}", f"{cost['wasted_cpu_s']:.1f}", decimal(cost["written_bytes"])
        table.add_row(shown(row["name"]), *units, decimal(cost["delivered_bytes"]), total(cost))
    if len(ordered) > _MOST_ROWS:
        table.caption = f"{len(ordered) - _MOST_ROWS} more: `--json` has all"
    return table


def forecast_table(told: Mapping[str, Any], variants: int) -> Table:
    """Of `Forecast.told`."""
    table = Table(
        title=f"{variants} variant{'' if variants == 1 else 's'}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("stage", "operator"):
        table.add_column(column, overflow="fold")
    for column in ("times", "CPU s", "worker time", "writes"):
        table.add_column(column, justify="right")
    table.add_column("by")
    for stage in told["stages"]:
        of = stage["estimate"]
        words = (shown(stage["name"]), shown(stage["operator"]))
        figures = (str(stage["computed"]), _between(of), duration_in_words(of["wall_s"]), decimal(of["written_bytes"]))
        tasks = of["measured_tasks"]
        table.add_row(*words, *figures, f"{tasks} tasks" if tasks else "assumed")
    return table


def forecast_lines(told: Mapping[str, Any]) -> Iterable[str]:
    of = told["estimate"]
    yield (
        f"In all about {of['cpu_s']:.0f} CPU seconds ({_between(of)}), {duration_in_words(of['wall_s'])} with"
        f" {of['renderers']} renderers, {decimal(of['written_bytes'])} written; {_basis(told)}."
    )
    if (money := told.get("money")) is not None:
        low, likely, high = (amount(money[name]) for name in ("low", "likely", "high"))
        yield f"Cost: about {likely} {money['currency']} ({low} to {high})."
    else:
        yield "Cost in money: name a table with --prices."


def total(cost: Mapping[str, Any]) -> str:
    """The money of a cost with its currency; empty without prices."""
    money = cost.get("money")
    return f"{amount(money['total'])} {money['currency']}" if money else ""


def amount(value: float) -> str:
    """Money: to the cent, and below ten cents to a millionth."""
    return f"{value:,.2f}" if value >= _SMALL or not value else f"{value:.6f}"


def _basis(told: Mapping[str, Any]) -> str:
    """What an estimate rests on."""
    found: dict[tuple[bool, bool], list[str]] = {}
    for stage in told["stages"]:
        if stage["operator"] != DELIVERY:
            found.setdefault((bool(stage["estimate"]["measured_tasks"]), stage["sized"]), []).append(stage["name"])
    words = [f"of {', '.join(found[known])} {said}" for known, said in _BASES.items() if known in found]
    return " and ".join(words) or "by what equal work took before"


_BASES = {
    (False, True): f"nothing was measured yet, so that may be {ASSUMED_FACTOR:g} times more or less",
    (False, False): "nothing was measured yet and how many pictures there are is not known, so that is a guess",
    (True, False): "how many pictures there are is not known, so that is what others took",
}
"""By whether such work was measured, and whether its size is known."""


def _between(estimate: Mapping[str, Any]) -> str:
    return f"{estimate['low_cpu_s']:.0f} to {estimate['high_cpu_s']:.0f}"
