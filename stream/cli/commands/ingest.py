"""`rushes ingest`: publishes asset events and runs the topology until each asset is final."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from decoders.sources.uris import describe
from stream.cli.context import Context, UsageProblem
from stream.cli.options.bounds import DAY_S
from stream.cli.options.chosen_models import remember_models
from stream.cli.options.labels import parse_labels
from stream.cli.options.left_out import LeftOut
from stream.cli.options.roots import Roots, remember_roots
from stream.cli.options.sessions import BrokerUri, ClientProperties, Cluster, opened
from stream.cli.options.shards import ShardCounts
from stream.cli.options.stored_settings import file_settings
from stream.cli.options.uris import expand
from stream.cli.options.workers import (
    EVERYTHING,
    Captioner,
    Embedder,
    Light,
    Looks,
    PrivateNetwork,
    RootsOption,
    Schemes,
    Span,
    WhereModelsRun,
    WorkerOptions,
    option,
    option_names,
)
from stream.cli.rendering.live import Lines, LiveProgress, closing_table, reason
from stream.cli.rendering.sanitize import shown
from stream.clock import Clock, SystemClock
from stream.control.progress import Progress
from stream.events.asset import AssetChanged, AssetPublished, AssetStatus, Profile
from stream.events.base import Event
from stream.events.grid import SECOND_NS
from stream.events.ids import clip_name, is_name, is_tenant, without_secrets
from stream.pipelines.settings import Settings
from stream.pipelines.stages import DECODE
from stream.sessions.session import Session
from stream.topology.lanes import LANES, Lane


def ingest(  # one option per thing a producer can say
    context: typer.Context,
    uris: Annotated[list[str], typer.Argument(help="Files, directories (walked for footage) or uris.")],
    profile: Annotated[str, typer.Option(help="full: every frame, with shots. fast: key frames only.")] = "full",
    tenant: Annotated[str, typer.Option(help="Whose footage this is.")] = "default",
    project: Annotated[str, typer.Option(help="What it belongs to.")] = "default",
    label: Annotated[list[str] | None, typer.Option(help="k=v, kept on every moment; repeatable.")] = None,
    lane: Annotated[
        str, typer.Option(help="interactive: somebody waits. batch: whenever there is room.")
    ] = "interactive",
    models: Looks = EVERYTHING,
    embedder: Embedder = None,
    captioner: Captioner = "template",
    light: Light = False,
    private_network: PrivateNetwork = False,
    scheme: Schemes = None,
    root: RootsOption = None,
    span: Span = 120.0,
    every: Annotated[
        float, typer.Option(min=0.0, max=DAY_S, help="Where there is no terminal: seconds between progress lines.")
    ] = 10.0,
    device: WhereModelsRun = "auto",
    shards: ShardCounts = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
) -> None:
    """Make footage searchable. Run it again to resume; finished work is not repeated."""
    shared: Context = context.obj
    if broker is not None:
        # They would do nothing here: on a cluster the workers decide.
        refuse_what_workers_decide(context)
    targets = expand(uris)
    options = WorkerOptions(
        *(embedder, captioner, light, device, private_network, span, tuple(scheme or ()), tuple(root or ())),
        tuple(shards or ()),
        models,
    )
    typed = Roots.typed(targets.roots, targets.uris)
    settings = options.applied(file_settings(shared), typed)
    clock = SystemClock()
    labels = parse_labels(label or [])
    # All events before the session: a wrong label must not leave half of them published.
    events = [
        published(
            clock,
            uri,
            tenant=tenant,
            project=project,
            profile=parse_profile(profile),
            labels=labels,
            lane=parse_lane(lane),
        )
        for uri in targets.uris
    ]
    if not events:
        report_nothing(shared, targets.left_out, json_output=json_output)
    cluster = Cluster.named(broker, client_properties, shared.deployment)
    with ingesting(shared, settings, clock, len(events), quiet=json_output, line_every_s=every, cluster=cluster) as run:
        # Under the session's lock, so that no other process writes these files.
        if cluster is None:
            remember_models(shared.state_dir, settings.models)
            remember_roots(shared.state_dir, options.roots.joined(typed))
        finished = run(events)
    report(shared, run, finished=finished, json_output=json_output, left_out=targets.left_out)


def report_nothing(shared: Context, left_out: LeftOut, *, json_output: bool) -> NoReturn:
    """Reports why there is nothing to publish, and ends with exit code 1."""
    if json_output:
        shared.print_json({"finished": True, "decoded_s": 0.0, "assets": [], **left_out.as_json()})
    else:
        left_out.print(shared.errors)
    raise typer.Exit(1)


def refuse_what_workers_decide(context: typer.Context) -> None:
    """Raises `UsageProblem` for options that do not reach workers on a cluster."""
    # Typer's source tells a typed default from none: only what was typed is refused.
    sources = {name: context.get_parameter_source(name) for name in option_names()}
    given = [name for name, source in sources.items() if source is not None and source.name != "DEFAULT"]
    if given:
        options = ", ".join(map(option, given))
        raise UsageProblem(f"{options}: with --broker, give this to the workers (`rushes run`) instead")


def published(
    clock: Clock,
    uri: str,
    *,
    tenant: str,
    project: str,
    profile: Profile,
    labels: dict[str, str],
    lane: Lane = "interactive",
) -> Event:
    """The event that a producer would send for this file. Raises `UsageProblem` for values that no event may have."""
    if not is_tenant(tenant):
        raise UsageProblem(f"--tenant {tenant!r} is not a name of 1 to 200 bytes (percent-encoded)")
    if not project or not is_name(project, 200):
        raise UsageProblem(f"--project {project!r} is not a name of 1 to 200 bytes without control characters")
    try:
        data = AssetPublished(uri=uri, profile=profile, labels=labels, priority=lane)
    except ValidationError as error:
        raise UsageProblem(f"{describe(uri)} with these labels: {error.errors()[0]['msg']}") from None
    return Event(
        data=data, tenant=tenant, project=project, subject=data.identity(), event_time_ms=clock.now_ms(), source="cli"
    )


class IngestRun:
    """A session that takes events. `progress` is the state of their assets."""

    def __init__(self, session: Session, live: LiveProgress) -> None:
        self.session = session
        self._live = live

    @property
    def progress(self) -> Progress:
        return self.session.progress

    def freshness(self) -> list[str]:
        """One line per asset: seconds from publication to searchable, where a broker's clock measured it."""
        return [
            f"{shown(clip_name(asset_id))}: searchable {seconds:.1f} s after its publication"
            for (_, asset_id), seconds in self.session.searchable_s.items()
        ]

    @property
    def live(self) -> LiveProgress:
        return self._live

    def __call__(self, events: Sequence[Event] = (), more: Callable[[], bool] = lambda: False) -> bool:
        """Publishes and works to the end with live progress; False when interrupted. A second
        interrupt exits at once.
        """
        stop = threading.Event()
        # Before the signals are caught: an interrupt while publishing ends the command at once.
        self.session.publish(events)
        with stop_on_signals(stop), self._live as live:
            return self.session.run(stop, live.update, more=more)


@contextmanager
def ingesting(
    shared: Context,
    settings: Settings,
    clock: Clock,
    asset_count: int,
    *,
    quiet: bool,
    line_every_s: float = 10.0,
    cluster: Cluster | None = None,
    waits: Callable[[], Mapping[str, str]] = dict,
) -> Iterator[IngestRun]:
    """A session for the block: with the stages of this process and the state directory, or with those of a cluster."""
    from stream.pipelines.understanding import reference_topology

    live = LiveProgress(
        shared.errors if quiet else shared.console,
        asset_count,
        reference_topology(),
        lines=Lines(shared.errors, clock, line_every_s),
        waits=waits,
    )
    with opened(settings, clock, cluster) as session:
        yield IngestRun(session, live)


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """The first SIGINT or SIGTERM drains and stops. The second exits at once."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        # The second signal does not wait: the first one's drain may hang.
        if stop.is_set():
            raise SystemExit(128 + number)
        stop.set()

    # The former handlers come back: one command may run inside another.
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report(
    shared: Context, run: IngestRun, *, finished: bool, json_output: bool, left_out: LeftOut | None = None
) -> None:
    """Prints the closing table (or JSON) and sets the exit code: 130 when interrupted; 1 if an asset is not ready or a
    named file could not be read.
    """
    left_out = left_out or LeftOut()
    changes = list(run.progress.changes())
    decoded = run.progress.totals().get(DECODE)
    decoded_s = decoded.done / SECOND_NS if decoded else 0.0
    # JSON before any exit, so that scripts always get a document.
    if json_output:
        shared.print_json(
            {"finished": finished, "decoded_s": decoded_s, "assets": [as_json(change) for change in changes]}
            | left_out.as_json()
        )
    else:
        shared.console.print(closing_table(changes))
        for line in run.freshness():
            shared.console.print(line, style="dim")
        # Said, because a run that is over at once looks like a failure.
        if finished and not decoded_s and changes and all(item.status is AssetStatus.READY for item in changes):
            shared.console.print("Nothing was decoded: the index already holds all of this content.")
        left_out.print(shared.errors)
    # An interrupt counts before the state of the assets: they could not be ready yet.
    if not finished:
        shared.errors.print(f"Interrupted. {run.session.farewell}", soft_wrap=True)
        raise typer.Exit(130)
    if any(change.status is not AssetStatus.READY for change in changes):
        if not json_output:
            shared.errors.print("Some assets are not ready; `rushes dead-letters list` shows what failed.")
        raise typer.Exit(1)
    # A named file that was not read is a failure, even where all others are ready.
    if left_out.failures:
        raise typer.Exit(1)


def as_json(change: AssetChanged) -> dict[str, Any]:
    return {
        "tenant": change.asset.tenant,
        "project": change.asset.project,
        "asset_id": change.asset.asset_id,
        "uri": without_secrets(change.uri),
        "status": change.status,
        "duration_s": change.duration_ns / SECOND_NS,
        "segments": change.segment_count,
        "segments_done": change.segments_done,
        "missing_s": [[start / SECOND_NS, end / SECOND_NS] for start, end in change.missing_ns],
        "damaged_s": [[start / SECOND_NS, end / SECOND_NS] for start, end in change.damaged_ns],
        "notes": list(change.notes),
        "code": change.code,
        "reason": reason(change) or None,
    }


def parse_profile(name: str) -> Profile:
    if name == "fast":
        return "fast"
    if name == "full":
        return "full"
    raise UsageProblem(f"--profile {name!r}: choose fast or full")


def parse_lane(name: str) -> Lane:
    if name not in LANES:
        raise UsageProblem(f"--lane {name!r}: choose interactive or batch")
    return name
