"""The small HTTP server of a process: `/metrics` for Prometheus, `/healthz` and `/readyz` for an orchestrator."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from stream.errors import Fatal
from stream.observability.status import WorkerState

Answer = tuple[bool, str]
"""(healthy, one line with the reason)"""


def all_ready(states: Iterable[WorkerState]) -> Answer:
    """Whether every worker is ready, or what the others wait for."""
    waiting = [f"{state.stage}: {state.paused or 'starting'}" for state in states if not state.ready]
    return not waiting, "; ".join(waiting) or "ok"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature it overrides
        """Probes come every few seconds; nothing is logged per request."""


def _listening(host: str, port: int, answer: Callable[..., Iterable[bytes]]) -> WSGIServer:
    try:
        return make_server(host, port, answer, server_class=_Server, handler_class=_Quiet)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Fatal(f"cannot listen on {host}:{port} ({why}): choose another --port", code="port_unavailable") from None


@contextmanager
def served(
    registry: CollectorRegistry, *, healthy: Callable[[], Answer], ready: Callable[[], Answer], host: str, port: int
) -> Iterator[int]:
    """Serve on `host`:`port` for the block. Yields the port, which is a free one for 0. A failed probe answers 503.
    Raises `Fatal` (`port_unavailable`) where the port cannot be used.
    """
    metrics = make_wsgi_app(registry)
    probes = {"/healthz": healthy, "/readyz": ready}

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            page: Iterable[bytes] = metrics(environ, start_response)
            return page
        well, words = probes[path]() if path in probes else (False, "try /metrics, /healthz or /readyz")
        status = "200 OK" if well else "503 Service Unavailable" if path in probes else "404 Not Found"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{words}\n".encode()]

    with _listening(host, port, answer) as server:
        thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
