"""Nothing that depends on an observer ends with it, and everything says when it sees nothing."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from rich.console import Console

from stream.cli.commands.autoscale import scale_until_stopped, wanted
from stream.cli.commands.lag import screen
from stream.cli.context import Context, make_context
from stream.cli.rendering.waits import Waits
from stream.clock import ManualClock
from stream.errors import Fatal, StageError, Unavailable
from stream.freshness.exporter import Exporter
from stream.freshness.observer import Observation, WaitingForGate
from stream.freshness.snapshot import LaneFlow, Snapshot, StageFlow
from stream.freshness.supervised_observer import SupervisedObserver

AWAY = Unavailable("no answer in time", code="broker_unavailable")
REFUSED = Fatal("the broker refuses us", code="unauthenticated")


class Looks:
    """An observer with prepared results."""

    def __init__(self, clock: ManualClock, *results: Mapping[str, int] | Exception) -> None:
        self._clock = clock
        self._results: Iterator[Mapping[str, int] | Exception] = iter(results)

    def step(self) -> Observation:
        self._clock.advance(10.0)
        result = next(self._results)
        if isinstance(result, Exception):
            raise result
        flow = StageFlow("decode", lanes={"interactive": LaneFlow(7, 90)}, backlog=90, replicas=1)
        return Observation(Snapshot(self._clock.now_ms(), (flow,)), result, 0.1)


def observer_of(*results: Mapping[str, int] | Exception) -> tuple[SupervisedObserver, ManualClock]:
    clock = ManualClock()
    return SupervisedObserver(Looks(clock, *results), clock), clock  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [AWAY, REFUSED, KeyError("assets"), TimeoutError(), RuntimeError("x")])
def test_whatever_a_later_look_raises_is_told_and_passes(error: Exception) -> None:
    observer, _ = observer_of({"decode": 1}, error, error, {"decode": 2})
    assert observer.observe()
    seen = observer.last
    assert seen is not None
    assert not observer.observe()
    assert not observer.observe()
    assert observer.blind is not None
    assert observer.blind.since_ms == seen.snapshot.at_ms
    assert observer.last is seen
    assert observer.blind_s() == 20.0
    code = error.code if isinstance(error, StageError) else "unexpected_error"
    assert observer.failures == {code: 2}
    assert observer.observe()
    assert observer.blind_s() == 0.0


def test_a_refused_first_look_is_raised_at_once_also_out_of_a_thread() -> None:
    observer, _ = observer_of(REFUSED, REFUSED)
    with pytest.raises(Fatal, match="refuses us"):
        observer.observe()
    observer.follow(threading.Event(), 0.0)
    with pytest.raises(Fatal, match="refuses us"):
        observer.check()


def test_a_command_that_looks_once_fails_in_words() -> None:
    observer, _ = observer_of(KeyError("x"))
    with pytest.raises(Unavailable, match="unexpected KeyError"):
        observer.now()


def served(observer: SupervisedObserver, clock: ManualClock) -> tuple[tuple[bool, str], dict[str, float]]:
    exporter = Exporter(observer, clock, stale_s=60.0)
    registry = CollectorRegistry()
    registry.register(exporter)
    samples = [sample for family in registry.collect() for sample in family.samples]
    return exporter.ready(), {sample.name: sample.value for sample in samples}


def test_an_exporter_is_not_ready_from_the_first_blind_look_on_and_says_since_when() -> None:
    observer, clock = observer_of({"decode": 1}, AWAY, {"decode": 1})
    assert served(observer, clock)[0] == (False, "has not observed yet")
    observer.observe()
    ready, metrics = served(observer, clock)
    assert ready == (True, "ok")
    assert metrics["rushes_exporter_blind_seconds"] == 0
    observer.observe()
    ready, metrics = served(observer, clock)
    assert ready == (False, "blind for 10 s: no answer in time")
    assert metrics["rushes_exporter_blind_seconds"] == 10
    assert metrics["rushes_desired_replicas"] == 1  # for a while, so that one slow answer moves nothing
    clock.advance(60.0)
    _, metrics = served(observer, clock)
    assert metrics["rushes_exporter_blind_seconds"] == 70
    assert "rushes_desired_replicas" not in metrics
    observer.observe()
    assert served(observer, clock)[0] == (True, "ok")


def test_what_waits_before_the_gate_is_a_stage_of_its_own() -> None:
    observer, clock = observer_of({"decode": 1})
    assert observer.observe()
    assert observer.last is not None
    observer.last = replace(
        observer.last, gate=WaitingForGate("gate", {"assets.a": 2, "assets.b": 0}, 300.0, workers=0)
    )
    registry = CollectorRegistry()
    registry.register(Exporter(observer, clock))
    lane = {"stage": "gate", "lane": "interactive"}
    assert registry.get_sample_value("rushes_freshness_lag_seconds", lane) == 300
    assert registry.get_sample_value("rushes_present_replicas", {"stage": "gate"}) == 0
    left = {"stage": "gate", "topic": "assets.a"}
    assert registry.get_sample_value("rushes_offset_lag_records", left) == 2


class RecordingFleet:
    """What a supervisor was asked for."""

    def __init__(self, observer: SupervisedObserver, stop: threading.Event, steps: int) -> None:
        self.asked: list[Mapping[str, int]] = []
        self._sight, self._stop, self._steps = observer, stop, steps

    def want(self, desired: Mapping[str, int]) -> None:
        self.asked.append(dict(desired))

    def step(self) -> None:
        self._steps -= 1
        if not self._steps:
            self._stop.set()
        self._sight.observe()


@pytest.fixture
def shared() -> Context:
    found = make_context(None, None)
    object.__setattr__(found, "console", Console(width=200, force_terminal=False))
    return found


def test_a_blind_observer_stops_no_worker(shared: Context, capsys: pytest.CaptureFixture[str]) -> None:
    gone = Unavailable("the cluster has no topic assets", code="unknown_topic")
    observer, _ = observer_of({"decode": 2}, AWAY, KeyError("p"), REFUSED, gone, {"decode": 1}, {"decode": 1})
    stop = threading.Event()
    fleet = RecordingFleet(observer, stop, 7)
    scale_until_stopped(shared, observer, fleet, stop, step_s=0.0)  # type: ignore[arg-type]
    assert fleet.asked == [{"decode": 2}, {"decode": 1}]
    said = capsys.readouterr().out
    assert "blind: no answer in time; workers go on as they are" in said
    assert "sees again" in said


def test_where_there_are_no_topics_yet_plan_is_started_to_make_them() -> None:
    observer, _ = observer_of(Unavailable("no topic assets", code="unknown_topic"), AWAY)
    observer.observe()
    assert wanted(observer, {}) == {"plan": 1}
    assert wanted(observer, {"decode": 3}) == {"decode": 3}
    observer.observe()
    assert wanted(observer, {}) == {}


def test_a_screen_shows_what_was_seen_last_and_that_it_is_old() -> None:
    observer, _ = observer_of({"decode": 1}, AWAY)
    assert shown(observer) == "The first observation is on its way."
    observer.observe()
    waits = Waits(observer)
    assert waits() == {"decode": "waits 7.0s"}
    assert "Blind" not in shown(observer)
    observer.observe()
    text = shown(observer)
    assert "No observation for 10s: no answer in time. The next attempt is due soon." in text
    assert "Bottleneck" in text
    assert waits() == {}


def shown(observer: SupervisedObserver) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(screen(observer, 60.0))
    return captured.get().strip()
