"""The engine knows no stage: made-up stages over a made-up subject that counts frames are worked, admitted, measured,
scaled, accounted for and deployed as footage is.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from rich.console import Console, RenderableType

from stream.broker.contract import TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.cli.commands.lag import as_json, view
from stream.cli.rendering.usage import usage_rows, usage_table
from stream.clock import ManualClock
from stream.control.progress import Progress
from stream.control.state import entries
from stream.control.view import ControlView, Usage, UsageKey
from stream.deployment.alerts import alerts
from stream.deployment.asyncapi import document
from stream.deployment.dashboard import dashboard
from stream.deployment.keda import scaled_objects
from stream.deployment.kubernetes import Rollout, manifests
from stream.events.asset import Priority
from stream.events.base import Event
from stream.freshness.autoscaler import ScalingPolicy, desired_replicas
from stream.freshness.bottleneck import bottleneck
from stream.freshness.exporter import Exporter
from stream.freshness.observer import Observer
from stream.freshness.snapshot import Snapshot
from stream.freshness.supervised_observer import SupervisedObserver
from stream.observability.metrics import Metrics
from stream.topology.codec import EventDecoder, encode
from stream.topology.stage import Role
from stream.topology.topics import PROGRESS
from stream.worker.pace import Pace
from stream.worker.worker import Worker
from tests.support.memory_watch import MemoryWatch
from tests.support.scripts_topology import SCRIPTS, TAKES, TOPICS, ScriptSubmitted, scripts_topology

TOPOLOGY = scripts_topology()
DAY_MS = 86_400_000


@dataclass
class Studio:
    """The topology on a memory broker, an observer beside it, and workers that are started one by one."""

    clock: ManualClock = field(default_factory=ManualClock)
    workers: dict[str, Worker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.broker = MemoryBroker(self.clock)
        self.broker.ensure(TopicSpec(name, 1) for name in TOPICS)
        groups = {stage.name: stage.sources for stage in TOPOLOGY.stages}
        for name, sources in groups.items():
            for source in sources:
                self.broker.declare(source, name)
        self.watch = MemoryWatch(self.broker, list(TOPICS), groups)
        self.observer = Observer(self.watch, TOPOLOGY, self.clock, ScalingPolicy())
        self.told = self.broker.follow(PROGRESS.name, 0)

    def submit(
        self, script: str, takes: tuple[int, ...], tenant: str = "t", priority: Priority = "interactive"
    ) -> None:
        data = ScriptSubmitted(script=script, takes=takes, priority=priority)
        record = encode(Event(data, tenant, "p", script, self.clock.now_ms()))
        self.broker.producer().send(SCRIPTS.name, record.key, record.value, record.headers)

    def work(self, name: str, steps: int = 20) -> None:
        if name not in self.workers:
            self.workers[name] = Worker(
                TOPOLOGY.stage(name),
                self.broker,
                clock=self.clock,
                metrics=Metrics(CollectorRegistry()),
                topics=TOPICS,
                pace=Pace(poll_timeout_s=0.0, flush_interval_s=0.0, unit_s=0.0),
            )
            self.watch.members[name] = 1
        for _ in range(steps):
            self.workers[name].step()
            self.clock.advance(0.06)

    def seen(self) -> Snapshot:
        return self.observer.step().snapshot

    def takes_waiting(self) -> int:
        return self.broker.backlog(TAKES.name, "draw").records


@pytest.fixture
def studio() -> Studio:
    return Studio()


def test_admission_counts_frames_until_the_last_stage_settles_them(studio: Studio) -> None:
    for number in range(3):
        studio.submit(f"s{number}", (150, 250))
    studio.work("outline")
    assert studio.takes_waiting() == 2, "400 frames overdraw the 300 a tenant may have at work"
    studio.work("draw")
    studio.work("outline")
    assert studio.takes_waiting() == 0, "drawn is not settled"
    studio.work("bind")
    studio.work("outline")
    assert studio.takes_waiting() == 2


def test_lag_names_the_stage_and_replicas_follow_its_frames(studio: Studio) -> None:
    studio.submit("s", (100, 300, 200))
    first = studio.seen()
    held = bottleneck(first)
    assert held is not None
    assert (held.stage, held.place) == ("outline", Role.CONTROL)
    assert first.stage("outline").waiting == 600, "six parts of a hundred frames, until a script has been planned"
    studio.work("outline")
    studio.clock.advance(30.0)
    flow = studio.seen().stage("draw")
    assert (flow.waiting, flow.backlog, flow.unit.name) == (600, 600, "frames")
    assert flow.lane("interactive").freshness_lag_s == pytest.approx(31.2)
    held = bottleneck(studio.seen())
    assert held is not None
    assert (held.stage, held.place, held.words) == ("draw", Role.MODEL, "no worker runs draw")
    wide = [replace(each, partitions=63) for each in studio.seen().stages]
    # 600 frames within the least time, 7.2 s, by replicas of 10 frames a second.
    assert desired_replicas(Snapshot(0, tuple(wide)), ScalingPolicy())["draw"] == 9
    studio.work("draw")
    studio.work("bind")
    done = studio.seen()
    assert bottleneck(done) is None
    assert (done.open_assets, [each.backlog for each in done.stages]) == (0, [0, 0, 0])


def test_the_exporter_tells_work_under_the_name_of_its_unit(studio: Studio) -> None:
    observer = SupervisedObserver(studio.observer, studio.clock)
    studio.submit("s", (100, 300), priority="batch")
    studio.work("outline")
    assert observer.observe()
    registry = CollectorRegistry()
    registry.register(Exporter(observer, studio.clock))
    page = generate_latest(registry).decode()
    assert 'rushes_backlog_frames{stage="draw"} 400.0' in page
    assert 'rushes_waiting_frames{lane="batch",stage="draw"} 400.0' in page
    assert 'rushes_freshness_lag_seconds{lane="interactive",stage="draw"} 0.0' in page
    assert 'rushes_desired_replicas{stage="draw"} 1.0' in page
    assert "video_seconds" not in page


def printed(table: RenderableType) -> list[str]:
    """Line by line, in a terminal of 80 columns, with single spaces."""
    out = io.StringIO()
    Console(file=out, width=80).print(table)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_lag_shows_frames_and_scripts(studio: Studio) -> None:
    studio.submit("s", (100, 300, 200))
    studio.work("outline")
    found = studio.observer.step()
    lines = printed(view(found, 60.0))
    assert any(line.startswith("draw 1.2s - 600 0.0 0.0 0/1 3 ") for line in lines), lines
    assert "Counted in frames: outline, draw, bind." in lines
    assert "1 scripts open." in lines
    shown = as_json(found)
    assert shown["open_scripts"] == 1
    (draw,) = (stage for stage in shown["stages"] if stage["stage"] == "draw")
    assert (draw["unit"], draw["waiting_frames"]["interactive"], draw["backlog_frames"]) == ("frames", 600, 600)
    assert not [name for name in draw if "video" in name]


def test_the_table_of_usage_has_a_column_for_each_unit() -> None:
    used = {
        UsageKey(0, "acme", "decode"): Usage(12 * 10**9, 3_000_000, 0, 5_000_000),
        UsageKey(0, "acme", "draw", "frames"): Usage(400, 0, 2_500_000),
    }
    head, *rows = (line for line in printed(usage_table(used)) if line and "─" not in line)
    assert head == "Usage, by time of publication"
    assert rows == [
        "window tenant stage video s frames CPU s device s MB",
        "1970-01-01T00:00Z acme decode 12.0 3.0 0.0 5.0",
        "1970-01-01T00:00Z acme draw 400 0.0 2.5 0.0",
    ]
    assert [(row["quantity"], row["unit"], row["video_s"]) for row in usage_rows(used)] == [
        (12 * 10**9, "video_ns", 12.0),
        (400, "frames", 0.0),
    ]
    only_frames = printed(usage_table({key: it for key, it in used.items() if key.unit == "frames"}))
    assert "window tenant stage frames CPU s device s MB" in only_frames


def test_usage_and_progress_are_kept_by_tenant_stage_and_unit(studio: Studio) -> None:
    studio.submit("s", (100, 300), tenant="acme")
    for name in ("outline", "draw", "bind"):
        studio.work(name)
    decoder, table, progress = EventDecoder([PROGRESS]), dict[bytes, bytes](), Progress()
    for record in [*studio.told.poll(1000, 0.0)] * 2:
        payload = decoder.decode(record).data
        table.update(entries(payload, table.get))
        progress.apply([payload])
    view = ControlView(table)
    day_ms = studio.clock.now_ms() // DAY_MS * DAY_MS
    usage = {key.stage: used for key, used in view.usage("day", "acme").items()}
    assert set(view.usage("day")) == {UsageKey(day_ms, "acme", name, "frames") for name in ("outline", "draw", "bind")}
    assert (usage["draw"].quantity, usage["draw"].cpu_us) == (400, 400_000)
    (script,) = view.subjects()
    assert (script.head.kind, script.name.asset_id, script.done["bind"]) == ("script", "s", 2)
    assert {name: total.done for name, total in progress.totals().items()} == dict.fromkeys(
        ("outline", "draw", "bind"), 400
    )


def named(objects: list[dict[str, object]], kind: str) -> dict[str, Mapping[str, object]]:
    found: dict[str, Mapping[str, object]] = {}
    for each in objects:
        metadata, spec = each["metadata"], each.get("spec", {})
        assert isinstance(metadata, Mapping)
        assert isinstance(spec, Mapping)
        if each["kind"] == kind:
            found[str(metadata["name"])] = spec
    return found


def test_manifests_give_each_stage_what_it_needs() -> None:
    rollout = Rollout("image", "kafka:9092")
    deployments = named(list(manifests(TOPOLOGY, rollout)), "Deployment")
    assert {f"rushes-{stage.name}" for stage in TOPOLOGY.stages} <= deployments.keys()
    volumes = {name: str(spec["template"]) for name, spec in deployments.items()}
    assert "rushes-state" in volumes["rushes-bind"]
    assert "rushes-cache" in volumes["rushes-draw"]
    assert "rushes-media" not in "".join(volumes.values())
    scaled = named(list(scaled_objects(TOPOLOGY, rollout, prometheus="http://p:9090")), "ScaledObject")
    assert scaled.keys() == {"rushes-outline", "rushes-draw"}
    rules = "\n".join(alert.expr for alert in alerts(TOPOLOGY))
    assert "rushes_waiting_frames" in rules
    assert "video_seconds)" not in rules
    titles = {str(panel["title"]) for panel in dashboard(TOPOLOGY.units)["panels"]}
    assert {"Backlog frames", "Waiting frames", "Service frames per second"} <= titles


def test_asyncapi_documents_its_topics_and_messages() -> None:
    made = document(TOPOLOGY, version="1", partitions=4)
    assert set(made["channels"]) == set(TOPICS)
    assert "producers" in made["channels"]["scripts"]["description"]
    assert made["operations"]["draw-receive-takes"]["channel"] == {"$ref": "#/channels/takes"}
    assert {"rushes.take.drawn.v1", "rushes.part.progressed.v1"} <= made["components"]["messages"].keys()
    assert made["components"]["schemas"]["TakeDrawn"]["properties"]["frames"]["type"] == "integer"
