"""What probes of the control plane are told, and how it ends when it cannot begin."""

import asyncio
import threading
from pathlib import Path

import httpx
import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry

from stream.broker.kafka import client
from stream.broker.kafka.client import KafkaSettings
from stream.broker.node.local import free_port
from stream.clock import ManualClock, SystemClock
from stream.control.app import _started
from stream.errors import Unavailable
from stream.observability.metrics import Metrics, StageMetrics
from stream.observability.status import Status
from stream.pipelines.control import SILENCE_S, ControlHealth, Served, run_control


def fresh_status() -> Status:
    return Status("rushes-control", StageMetrics(Metrics(CollectorRegistry()), "rushes-control"))


def test_a_loop_that_stopped_is_not_healthy_and_one_that_begins_is_not_ready() -> None:
    clock = ManualClock()
    status = fresh_status()
    pulse = ControlHealth(status, clock)
    clock.advance(2 * SILENCE_S)
    assert pulse.healthy() == (True, "ok"), "a long recovery is no hang"
    assert pulse.ready() == (False, "rushes-control: starting")
    status.ready(True)
    pulse.check()
    clock.advance(SILENCE_S / 2)
    assert (pulse.healthy(), pulse.ready()) == ((True, "ok"), (True, "ok"))
    clock.advance(SILENCE_S)
    assert pulse.healthy() == (False, "the app is silent for 90 s")
    status.ready(False)
    assert not pulse.ready()[0]


@pytest.mark.parametrize("error", [KafkaConnectionError("away"), TimeoutError(), ConnectionRefusedError()])
def test_an_app_that_does_not_come_up_is_unavailable(error: Exception) -> None:
    class Away:
        async def start(self) -> None:
            raise error

    with pytest.raises(Unavailable, match=f"did not come up .{type(error).__name__}"):
        asyncio.run(_started(Away()))  # type: ignore[arg-type]


def test_probes_are_answered_while_the_broker_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_TIMEOUT_S", 0.3)
    stop = threading.Event()
    seen: list[tuple[int, str]] = []

    def probe(port: int) -> None:
        """From a thread of its own, as who announces waits for it."""
        url = f"http://127.0.0.1:{port}"
        while not seen or "starting" in seen[-1][1]:
            answer = httpx.get(f"{url}/readyz")
            seen.append((answer.status_code, answer.text.strip()))
        seen.append((httpx.get(f"{url}/healthz").status_code, ""))
        stop.set()

    prober: list[threading.Thread] = []

    def announce(port: int) -> None:
        prober.append(threading.Thread(target=probe, args=(port,), daemon=True))
        prober[0].start()

    kafka = KafkaSettings(f"127.0.0.1:{free_port()}")
    run_control(kafka, tmp_path, lambda _: 1, Served(), stop, clock=SystemClock(), announce=announce)
    prober[0].join(10)
    assert seen[0][0] == 503
    assert seen[-2][0] == 503
    assert seen[-2][1].startswith("rushes-control: unavailable: no answer from 127.0.0.1:")
    assert seen[-1][0] == 200
