"""As much of Google Cloud Storage's XML API as writes and reads objects by name, with generations as conditions: what
object stores' clients ask for is seen, and nothing of Google's is tested.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Bucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held: dict[str, tuple[int, bytes]]
    lock: threading.Lock

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        wanted = self.headers.get("x-goog-if-generation-match")
        with self.lock:
            there, _ = self.held.get(self.path, (0, b""))
            met = wanted in (None, str(there))
            if met:
                self.held[self.path] = there + 1, body
        self._answer(200 if met else 412, there + 1, b"")

    def do_GET(self) -> None:
        with self.lock:
            generation, body = self.held.get(self.path, (0, b""))
        self._answer(200 if generation else 404, generation, body)

    def do_DELETE(self) -> None:
        with self.lock:
            self.held.pop(self.path, None)
        self._answer(204, 0, b"")

    def _answer(self, status: int, generation: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", f'"of-{generation}"')
        self.send_header("x-goog-generation", str(generation))
        self.send_header("Last-Modified", "Mon, 30 Nov 2026 00:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
        """Nobody reads it."""


@contextmanager
def google_store(account: Path) -> Iterator[None]:
    """Writes the file of an account by which Google's clients find it, and need no token."""

    bucket = type("Bucket", (_Bucket,), {"held": {}, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), bucket)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    facts = {"gcs_base_url": f"http://127.0.0.1:{server.server_port}", "disable_oauth": True}
    account.write_text(json.dumps({**facts, "client_email": "", "private_key": "", "private_key_id": ""}))
    try:
        yield
    finally:
        server.shutdown()
        serving.join(30)
        server.server_close()
