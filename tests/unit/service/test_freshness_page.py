"""What the page of freshness shows: of the last hour, of one tenant alone, and of the stages that an exporter names."""

from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from benchmarks.testbed.runs import light_settings
from sinks.lance.sink import LanceSink
from sinks.sharded.sink import sink_at
from stream.access.actions import AccessRole
from stream.clock import ManualClock
from stream.freshness.bottleneck import bottleneck
from stream.freshness.exported import snapshot_of
from stream.freshness.exporter import Exporter
from stream.freshness.observer import Observation, Observer
from stream.freshness.snapshot import LaneFlow, Snapshot, StageFlow
from stream.freshness.supervised_observer import SupervisedObserver
from stream.observability.labels import labelled
from stream.pipelines.understanding import reference_topology
from stream.search.application import Search
from stream.search.freshness import EventsBefore, WaitingEvent
from stream.service.freshness_history import KEPT, FreshnessHistory, FreshnessSample, TenantWaiting
from stream.service.page.plots import LagPlot, span
from stream.service.searchers import Searchers
from tests.support.annotations import events, planned, ref
from tests.support.http_servers import serving
from tests.support.service_desk import NOW_MS, opened

SLOW = Snapshot(
    NOW_MS,
    (
        StageFlow("plan", None, {"interactive": LaneFlow(3.0, 1.0)}, service=2.0, replicas=1),
        StageFlow("decode", "plan", {"interactive": LaneFlow(95.0, 600.0)}, backlog=900.0, service=4.0, replicas=2),
        StageFlow("understand", "decode", {"interactive": LaneFlow(12.0, 5.0)}, service=8.0, replicas=1),
    ),
)


class Seen:
    """An observer that always sees the same."""

    def step(self) -> Observation:
        return Observation(SLOW, {}, 0.1)


def shown_by_an_exporter() -> str:
    observer = SupervisedObserver(cast("Observer", Seen()), ManualClock(NOW_MS))
    registry = CollectorRegistry()
    registry.register(Exporter(observer, ManualClock(NOW_MS)))
    observer.observe()
    return generate_latest(labelled(registry, "studio")).decode()


def test_the_bottleneck_is_that_which_the_exporter_sees() -> None:
    found = snapshot_of(shown_by_an_exporter(), reference_topology())
    assert found is not None
    assert found.at_ms == NOW_MS
    assert [flow.stage for flow in found.stages] == ["plan", "decode", "understand"]
    assert found.stage("decode").lanes["interactive"] == LaneFlow(95.0, 600.0)
    here, there = bottleneck(found), bottleneck(SLOW)
    assert here is not None
    assert there is not None
    assert (here.stage, here.place) == ("decode", found.stage("decode").role)
    # One that is blind shows no stage.
    assert snapshot_of("rushes_exporter_blind_seconds 5\n", reference_topology()) is None


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores with an asset of `acme` that is under way, published a minute before another."""
    root = tmp_path_factory.mktemp("fresh") / "state"
    sink = sink_at(
        light_settings(root).index_dir, partial(LanceSink, clock=ManualClock()), shards=1, name="the index", alone=True
    )
    sink.open()
    list(sink.process(events(planned(ref("late", 1), of=3), planned(ref("later", 2), of=3))))
    sink.close()
    return root


def test_samples_are_kept_for_an_hour_and_what_is_not_known_is_a_gap(state: Path) -> None:
    published_ms = ref("late", 1).version.append_ms
    clock = ManualClock(published_ms + 90_000)
    searchers = Searchers(lambda: Search(light_settings(state), clock), 1)
    history = FreshnessHistory(searchers, lambda: EventsBefore(clock.now_ms()))
    history.sample()
    (sample,) = history.samples()
    assert (sample.lag_s("acme"), sample.lag_s("globex")) == (90.0, 0.0)
    assert sample.waiting["acme"] == TenantWaiting(published_ms, 2)
    with searchers.one():
        # A search has the only place, and is not kept waiting.
        history.sample()
    assert len(history.samples()) == 1
    for _ in range(KEPT + 5):
        history.sample()
    assert len(history.samples()) == KEPT
    searchers.close()


def test_samples_count_what_waits_before_the_index(state: Path) -> None:
    published_ms = ref("late", 1).version.append_ms
    now_ms = published_ms + 90_000
    unread = WaitingEvent("globex", "news", "unread", now_ms - 40_000, "gate")
    looks = [EventsBefore(now_ms, (unread,)), EventsBefore(now_ms, (), "the cluster has not answered yet")]
    searchers = Searchers(lambda: Search(light_settings(state), ManualClock(now_ms)), 1)
    history = FreshnessHistory(searchers, iter(looks).__next__)
    history.sample()
    history.sample()
    proven, unproven = history.samples()
    assert [proven.lag_s(tenant) for tenant in ("acme", "globex", "initech")] == [90.0, 40.0, 0.0]
    # Of who has nothing in the index nothing is claimed, and of others a least age.
    assert [unproven.lag_s(tenant) for tenant in ("acme", "globex")] == [90.0, None]
    plot = LagPlot.of([proven, unproven], "acme", 30.0)
    assert ([line.proven for line in plot.lines], plot.now) == ([True, False], "at least 1 min 30 s")
    assert (LagPlot.of([unproven], "globex", 30.0).now, plot.rows[0].lag) == (None, "at least 1 min 30 s")
    searchers.close()


def test_the_plot_breaks_where_nothing_was_seen() -> None:
    def sample(minute: float, lag_s: float | None) -> FreshnessSample:
        at_ms = NOW_MS + round(minute * 60_000)
        waiting = {"acme": TenantWaiting(at_ms - round(lag_s * 1_000), 2)} if lag_s else {}
        return FreshnessSample(at_ms, waiting, complete=lag_s is not None)

    old, seen = sample(-70, 9_000.0), [sample(-50, 0.0), sample(-49.5, 60.0), sample(-49, None), sample(-0.5, 240.0)]
    plot = LagPlot.of([old, *seen, sample(0, 30.0)], "acme", 30.0)
    assert [line.points for line in plot.lines] == ["16.67,100.00 17.50,80.00", "99.17,20.00 100.00,90.00"]
    assert (plot.now, plot.worst, plot.minutes) == ("30 s", "4 min", 50)
    assert [text for _, text in plot.ticks] == ["0 s", "2 min 30 s", "5 min"]
    assert [row.lag for row in plot.rows if row.lag] == ["30 s", "4 min", "1 min"]
    assert plot.rows[2].lag is None
    assert [span(seconds) for seconds in (59.4, 3_600, 7_500, 90_000)] == ["59 s", "1 h", "2 h 5 min", "1 d 1 h"]


class Scraped(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(shown_by_an_exporter().encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def exporter() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scraped)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}/metrics"


def test_what_is_of_all_tenants_is_shown_to_operators_alone(state: Path, tmp_path: Path, exporter: str) -> None:
    with opened(state, tmp_path, exporter=exporter, sample_s=0.02) as desk:
        desk.give("operator", AccessRole.OPERATOR)
        desk.give("viewer", AccessRole.VIEWER)
        desk.give("of a project", AccessRole.VIEWER, project="news")
        page = ""
        while "bottleneck</span>" not in page:
            page = desk.get("/freshness", "operator").text
        assert "Decode is the bottleneck: what waits there clears in 2 min 30 s." in page
        assert 'id="plot-title"' in page
        viewed = desk.get("/freshness", "viewer").text
        assert 'id="plot-title"' in viewed
        assert "decode" not in viewed
        part = desk.get("/freshness", "of a project").text
        assert 'id="plot-title"' not in part
        assert "2 assets are not wholly searchable yet" in part
    with opened(state, tmp_path / "plain") as desk:
        desk.give("operator", AccessRole.OPERATOR)
        assert "Not known here" in desk.get("/freshness", "operator").text
