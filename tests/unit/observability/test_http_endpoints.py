"""The probes and metrics of a process, over real HTTP."""

import socket

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from stream.errors import Fatal
from stream.observability.http_endpoints import Answer, served


def well() -> Answer:
    return True, "ok"


@pytest.mark.parametrize(("answer", "status"), [((True, "ok"), 200), ((False, "index: starting"), 503)])
def test_probes_say_how_it_is(answer: Answer, status: int) -> None:
    registry = CollectorRegistry()
    Counter("rushes_things_total", "Things.", registry=registry).inc(3)
    with served(registry, healthy=lambda: (True, "ok"), ready=lambda: answer, host="127.0.0.1", port=0) as port:
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/healthz").status_code == 200
        ready = httpx.get(f"{url}/readyz")
        assert (ready.status_code, ready.text.strip()) == (status, answer[1])
        assert "rushes_things_total 3.0" in httpx.get(f"{url}/metrics").text
        assert httpx.get(f"{url}/elsewhere").status_code == 404


def test_a_port_that_somebody_has_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(Fatal, match=f"cannot listen on 127.0.0.1:{port} .*choose another --port") as refused,
            served(CollectorRegistry(), healthy=well, ready=well, host="127.0.0.1", port=port),
        ):
            pass
    assert refused.value.code == "port_unavailable"
