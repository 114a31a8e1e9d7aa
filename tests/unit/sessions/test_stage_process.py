"""What the probes of `rushes run` are told before there is a broker, and after."""

import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from benchmarks.testbed.runs import light_settings
from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.broker.node.local import free_port
from stream.clock import SystemClock
from stream.errors import Unavailable
from stream.sessions.stage_process import Deployment, run_deployed


class AwayAtFirst(MemoryBroker):
    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.there = threading.Event()

    def ensure(self, topics: Iterable[TopicSpec]) -> None:
        if not self.there.is_set():
            raise Unavailable("no answer from host:9092", code="broker_unavailable")
        super().ensure(topics)


@pytest.mark.parametrize("comes", [True, False])
def test_a_process_that_waits_for_its_broker_lives_and_is_not_ready(tmp_path: Path, comes: bool) -> None:
    broker, stop, url = AwayAtFirst(), threading.Event(), f"http://127.0.0.1:{(port := free_port())}"

    def probed(path: str) -> tuple[int, str]:
        answer = httpx.get(f"{url}/{path}")
        return answer.status_code, answer.text.strip()

    def ready(wanted: tuple[int, str]) -> bool:
        with suppress(httpx.ConnectError):
            return probed("readyz") == wanted
        return False

    deployment = Deployment(0, 1, port=port)
    process = threading.Thread(
        target=run_deployed,
        args=(light_settings(tmp_path), ["parquet"], broker, deployment, stop),
        kwargs={"clock": SystemClock()},
        daemon=True,
    )
    process.start()
    try:
        wait_for(lambda: ready((503, "unavailable: no answer from host:9092")), "the probe says so")
        assert probed("healthz") == (200, "ok")
        assert "rushes_records_total" in httpx.get(f"{url}/metrics").text
        if comes:
            broker.there.set()
            wait_for(lambda: ready((200, "ok")), "the probe says so")
    finally:
        stop.set()
        process.join(30)
    assert not process.is_alive()
