"""A proxy before an S3-compatible server, which treats requests as it was told last: as a store in trouble would.

Arguments: the server's endpoint. Prints its own. What is posted to `/-/treatment` is the treatment, as JSON, of every
request from then on; see `tests.support.s3_proxy`.
"""

import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.support.s3_proxy import CONTROL, HANG, LOST, PASS, UNCONDITIONAL, Treatment

_HOP = {"connection", "transfer-encoding", "content-length", "host"}
_CONDITIONS = {"if-none-match", "if-match"}


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    treatment = Treatment(PASS)
    changed = threading.Event()
    behind = ""

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == CONTROL:
            before, Proxy.treatment, Proxy.changed = Proxy.changed, Treatment(**json.loads(body)), threading.Event()
            before.set()
            self._answer(204, [], b"")
            return
        treatment, changed = Proxy.treatment, Proxy.changed
        action = treatment.action if treatment.applies(self.command, self.path) else PASS
        if action == HANG:
            changed.wait()
            self.close_connection = True
        elif treatment.status and action != PASS:
            error = f'<?xml version="1.0"?><Error><Code>{action}</Code><Message>refused</Message></Error>'
            self._answer(treatment.status, [("Content-Type", "application/xml")], error.encode())
        else:
            status, headers, content = self._forwarded(body, _CONDITIONS if action == UNCONDITIONAL else set())
            if action == LOST:
                self.close_connection = True
            else:
                self._answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - names of http.server

    def _forwarded(self, body: bytes, without: set[str]) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP | without}
        connection = http.client.HTTPConnection(self.behind, timeout=60)
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
        """Nobody reads it."""


def serve(behind: str) -> None:
    Proxy.behind = urlsplit(behind).netloc
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1])
