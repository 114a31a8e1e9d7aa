"""What probes of the control plane are told, and how it ends when it cannot begin."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry

from stream.clock import ManualClock
from stream.control.app import _started
from stream.errors import Unavailable
from stream.metrics import Metrics, StageMetrics
from stream.pipelines.control import SILENCE_S, Pulse
from stream.status import Status


def fresh_status() -> Status:
    return Status("rushes-control", StageMetrics(Metrics(CollectorRegistry()), "rushes-control"))


def test_a_loop_that_stopped_is_not_healthy_and_one_that_begins_is_not_ready() -> None:
    clock = ManualClock()
    status = fresh_status()
    pulse = Pulse(status, clock)
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


@pytest.mark.parametrize("error", [KafkaConnectionError("away"), TimeoutError(), ConnectionRefusedError()])
def test_an_app_that_does_not_come_up_is_unavailable(error: Exception) -> None:
    class Away:
        async def start(self) -> None:
            raise error

    with pytest.raises(Unavailable, match=f"did not come up .{type(error).__name__}"):
        asyncio.run(_started(Away()))  # type: ignore[arg-type]
