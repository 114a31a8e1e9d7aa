"""What probes of the control plane are told."""

from prometheus_client import CollectorRegistry

from stream.clock import ManualClock
from stream.metrics import Metrics, StageMetrics
from stream.pipelines.control import SILENCE_S, Pulse
from stream.status import Status


def test_a_loop_that_stopped_is_not_healthy_and_one_that_begins_is_not_ready() -> None:
    clock = ManualClock()
    status = Status("rushes-control", StageMetrics(Metrics(CollectorRegistry()), "rushes-control"))
    pulse = Pulse(status, None, clock)
    clock.advance(2 * SILENCE_S)
    assert pulse.healthy() == (True, "ok"), "a long recovery is no hang"
    assert pulse.ready() == (False, "rushes-control: starting")
    status.ready(True)
    pulse.check()
    clock.advance(SILENCE_S / 2)
    assert (pulse.healthy(), pulse.ready()) == ((True, "ok"), (True, "ok"))
    clock.advance(SILENCE_S)
    assert pulse.healthy() == (False, "the app has not stirred for 90 s")
    status.ready(False)
    assert not pulse.ready()[0]
