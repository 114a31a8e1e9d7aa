"""What a SIEM listens with, on the loopback: syslog over TLS, Splunk's event collector, an HTTP endpoint."""

import datetime as dt
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stream.clock import SystemClock


@dataclass
class SyslogReceiver:
    """`messages` are those of connections that ended well. `dropping`: how many connections it still drops.
    `unanswering`: it closes a connection without the closing alert, as rsyslog does with gtls.
    """

    port: int = 0
    messages: list[bytes] = field(default_factory=list)
    dropping: int = 0
    unanswering: bool = False


@dataclass
class HttpReceiver:
    """`answer` makes the status and the JSON of an answer from a path, the headers and a body."""

    answer: Callable[[str, dict[str, str], bytes], tuple[int, Any]]
    url: str = ""
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@dataclass
class SplunkReceiver:
    """A collector whose indexer acknowledges after `late` looks, and none of the first `lost` deliveries."""

    token: str
    late: int = 1
    lost: int = 0
    stored: list[dict[str, Any]] = field(default_factory=list)
    _pending: dict[int, tuple[list[dict[str, Any]], int]] = field(default_factory=dict)
    _count: int = 0

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if headers.get("authorization") != f"Splunk {self.token}" or "x-splunk-request-channel" not in headers:
            return 403, {"text": "Invalid token", "code": 4}
        if path == "/services/collector/event":
            self._count += 1
            self._pending[self._count] = ([json.loads(line) for line in body.splitlines()], self.late)
            return 200, {"text": "Success", "code": 0, "ackId": self._count}
        (number,) = json.loads(body)["acks"]
        events, looks = self._pending[number]
        done = looks <= 0 and number > self.lost
        if done and events:
            self.stored += events
        self._pending[number] = ([] if done else events, looks - 1)
        return 200, {"acks": {str(number): done}}


@contextmanager
def syslog_receiver(folder: Path) -> Iterator[tuple[SyslogReceiver, ssl.SSLContext]]:
    """With the context that trusts it."""
    certificate, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver = SyslogReceiver()

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                with suppress(OSError, ValueError), plain, context.wrap_socket(plain, server_side=True) as secure:
                    _take(receiver, secure)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver.port = listener.getsockname()[1]
        thread = Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield receiver, ssl.create_default_context(cafile=str(certificate))
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _take(receiver: SyslogReceiver, secure: ssl.SSLSocket) -> None:
    if receiver.dropping:
        receiver.dropping -= 1
        secure.recv(10)
        # A reset, as of a process that was killed.
        secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return
    data = b""
    while part := secure.recv(65_536):
        data += part
    while data:
        length, _, rest = data.partition(b" ")
        receiver.messages.append(rest[: int(length)])
        data = rest[int(length) :]
    with suppress(OSError):
        if not receiver.unanswering:
            secure.unwrap()


@contextmanager
def http_receiver(answer: Callable[[str, dict[str, str], bytes], tuple[int, Any]]) -> Iterator[HttpReceiver]:
    receiver = HttpReceiver(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.asked.append((self.path, headers, body))
            status, said = receiver.answer(self.path, headers, body)
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature it overrides
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.fromtimestamp(SystemClock().now_ms() / 1000, dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "receiver.pem", folder / "receiver.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
