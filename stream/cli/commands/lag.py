"""`rushes lag`: the freshness of each stage, the bottleneck, and when the backlog will be gone."""

import math
import threading
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stream.cli.commands.ingest import stop_on_signals
from stream.cli.context import Context
from stream.cli.options.observer import (
    BatchDrain,
    Broker,
    Captions,
    ClientProperties,
    Interval,
    Jobs,
    MaxReplicas,
    Notifications,
    Notify,
    Objective,
    Prior,
    Watched,
    deployed,
    observing,
    observing_in_background,
    scaling_policy,
)
from stream.cli.options.sessions import Cluster
from stream.cli.options.shards import ShardCounts
from stream.cli.rendering.amounts import amount
from stream.cli.rendering.durations import duration
from stream.freshness.bottleneck import bottleneck, drained_in_s, gone_in_s
from stream.freshness.observer import Observation, WaitingForGate
from stream.freshness.snapshot import Snapshot, StageFlow
from stream.freshness.supervised_observer import SupervisedObserver
from stream.topology.unit import VIDEO_SECONDS


def lag(
    context: typer.Context,
    broker: Broker,
    client_properties: ClientProperties = None,
    interval: Interval = 2.0,
    objective: Objective = 60.0,
    batch_drain: BatchDrain = 3600.0,
    max_replicas: MaxReplicas = 32,
    prior: Prior = None,
    captions: Captions = False,
    notifications: Notifications = False,
    jobs: Jobs = False,
    notify: Notify = False,
    shards: ShardCounts = None,
    once: Annotated[bool, typer.Option("--once", help="Print one table and end.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts; once.")] = False,
) -> None:
    """Show how long footage waits at each stage, and which stage is the bottleneck. Live until Ctrl-C."""
    shared: Context = context.obj
    policy = scaling_policy(objective, batch_drain, max_replicas, prior)
    cluster = Cluster(broker, client_properties, shared.deployment)
    topology = deployed(captions=captions, notifications=notifications, jobs=jobs, notify=notify, shards=shards)
    with observing(Watched(cluster, topology, policy)) as observer:
        if json_output:
            shared.print_json(as_json(observer.now()))
        elif once:
            shared.console.print(view(observer.now(), objective))
        else:
            _follow(shared, observer, objective, interval)


def view(found: Observation, objective_s: float) -> Group:
    """The table, and sentences that explain it."""
    before = [] if found.gate is None else _before_gate(found.gate)
    sentences = [*before, *_bottleneck(found.snapshot, empty=not before), _open(found.snapshot)]
    return Group(_table(found, objective_s), *_counted(found.snapshot), *sentences)


def screen(observer: SupervisedObserver, objective_s: float) -> Group:
    """The last observation; while observations fail, also the error and its duration."""
    # The thread may replace both at any time, so each is read once.
    blind, last = observer.blind, observer.last
    parts: list[RenderableType] = []
    if blind is not None:
        # As text without markup: an error quotes what a broker says.
        parts.append(
            Text(
                f"No observation for {duration(observer.blind_s())}: {blind.message}. The next attempt is due soon.",
                style="yellow",
            )
        )
        parts += [Text("This is how it was before:", style="dim")] if last is not None else []
    if last is not None:
        parts.append(view(last, objective_s))
    return Group(*parts) if parts else Group(Text("The first observation is on its way.", style="dim"))


def as_json(found: Observation) -> dict[str, Any]:
    """Everything the table shows, times in seconds and work in its unit; infinite times are null."""
    snapshot = found.snapshot
    held = bottleneck(snapshot)
    return {
        "at_ms": snapshot.at_ms,
        "stages": [_stage_json(flow, found.desired) for flow in snapshot.every],
        "offset_lag_records": snapshot.offset_lag,
        "undecided_records": snapshot.undecided,
        "before_gate": None if (gate := found.gate) is None else _gate_json(gate),
        f"open_{snapshot.subject}s": snapshot.open_assets,
        "dead_letters_written": snapshot.dead_letters,
        "bottleneck": None if held is None else {"place": held.place, "stage": held.stage, "reason": held.words},
        "gone_in_s": _finite(gone_in_s(snapshot)),
    }


def _gate_json(gate: WaitingForGate) -> dict[str, Any]:
    return {"records": sum(gate.records.values()), "oldest_s": gate.oldest_s, "replicas": gate.workers}


def _stage_json(flow: StageFlow, desired: Mapping[str, int]) -> dict[str, Any]:
    counted = "video_s" if flow.unit == VIDEO_SECONDS else flow.unit.name
    return {
        "stage": flow.stage,
        "unit": flow.unit.name,
        "freshness_lag_s": {lane: it.freshness_lag_s for lane, it in flow.lanes.items()},
        f"waiting_{counted}": {lane: it.waiting for lane, it in flow.lanes.items()},
        "arrival": {lane: it.arrival for lane, it in flow.lanes.items()},
        f"backlog_{counted}": flow.backlog,
        "service": flow.service,
        "service_per_replica": flow.service_per_replica,
        "replicas": flow.replicas,
        "desired_replicas": desired[flow.stage],
        "partitions": flow.partitions,
        "stuck_partitions": flow.stuck_partitions,
        "gone_in_s": _finite(drained_in_s(flow)),
    }


def _follow(shared: Context, observer: SupervisedObserver, objective_s: float, interval_s: float) -> None:
    stop = threading.Event()
    with (
        observing_in_background(observer, interval_s),
        stop_on_signals(stop),
        # Refreshed by hand, with the data: rich's own thread would draw the same again.
        Live(console=shared.console, auto_refresh=False) as live,
    ):
        while not stop.is_set():
            observer.check()
            live.update(screen(observer, objective_s), refresh=True)
            stop.wait(min(1.0, interval_s))


def _table(found: Observation, objective_s: float) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("stage", no_wrap=True)
    for column in ("fresh", "batch", "backlog", "in", "out", "have/want", "records", "gone in"):
        table.add_column(column, justify="right", no_wrap=True)
    for flow in found.snapshot.every:
        interactive = flow.lane("interactive").freshness_lag_s
        style = "red" if interactive > objective_s else "yellow" if interactive > objective_s / 2 else "green"
        wanted = found.desired[flow.stage]
        table.add_row(
            flow.stage,
            Text(duration(interactive), style=style),
            duration(flow.lane("batch").freshness_lag_s),
            amount(flow.backlog, flow.unit),
            _rate(flow.arrival),
            _rate(flow.service),
            Text(f"{flow.replicas}/{wanted}", style="" if flow.replicas >= wanted else "yellow"),
            str(sum(flow.offset_lag.values())),
            duration(drained_in_s(flow)),
        )
    return table


def _counted(snapshot: Snapshot) -> list[Text]:
    """What the numbers of a stage count where that is no video."""
    units: dict[str, list[str]] = {}
    for flow in snapshot.every:
        if flow.unit != VIDEO_SECONDS:
            units.setdefault(flow.unit.name, []).append(flow.stage)
    return [Text(f"Counted in {unit}: {', '.join(stages)}.", style="dim") for unit, stages in units.items()]


def _before_gate(gate: WaitingForGate) -> list[Text]:
    """What tenants have published on their own topics is in no row of the table before a gate has passed it on."""
    records = sum(gate.records.values())
    if not records:
        return []
    runs = "a gate runs" if gate.workers else "no gate runs: start `rushes run gate`"
    told = f"Before the gate: {records} records of tenants, the oldest for {duration(gate.oldest_s)}; {runs}."
    return [Text(told, style="bold" if gate.workers else "red")]


def _open(snapshot: Snapshot) -> Text:
    failed = f"; {snapshot.dead_letters} dead letters so far" if snapshot.dead_letters else ""
    return Text(f"{snapshot.open_assets} {snapshot.subject}s open{failed}.{_undecided(snapshot)}", style="dim")


def _bottleneck(snapshot: Snapshot, *, empty: bool) -> list[Text]:
    """`empty`: whether nothing waits before the first stage either."""
    held = bottleneck(snapshot)
    if held is None:
        return [Text("Nothing waits.", style="green")] if empty else []
    gone_s = gone_in_s(snapshot)
    outlook = f"the backlog is gone in {duration(gone_s)}" if math.isfinite(gone_s) else "it does not shrink yet"
    who = "the broker" if held.place == "broker" else held.stage
    return [Text(f"Bottleneck: {who} ({held.words}); {outlook}.", style="bold")]


def _undecided(snapshot: Snapshot) -> str:
    held = ", ".join(f"{count} of {topic}" for topic, count in snapshot.undecided.items())
    return f" Records that wait for a producer to end its transaction: {held}." if held else ""


def _rate(per_s: float) -> str:
    return f"{per_s:.1f}" if per_s < 999.95 else f"{per_s:.0f}"


def _finite(seconds: float) -> float | None:
    # JSON has no infinity.
    return seconds if math.isfinite(seconds) else None
