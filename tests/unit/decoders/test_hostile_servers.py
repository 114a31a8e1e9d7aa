"""Servers that stall, drip, flood, lie or lead astray: each ends in words within the policy's limits."""

import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from decoders.sources.http import HttpSource
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from decoders.sources.uris import describe
from stream.errors import BadMedia, Retryable, StageError, Superseded
from stream.net import connect as http_connect

SIZE = 3 << 20
Behaviour = Callable[[socket.socket, "Server", int], None]
POLICY = SourcePolicy(
    allow_private_addresses=True, connect_timeout_s=20.0, read_timeout_s=20.0, request_timeout_s=60.0, max_redirects=3
)
HASTY = replace(POLICY, read_timeout_s=0.2, request_timeout_s=0.5)
"""For servers that stall: a busy machine is none."""


@dataclass
class Server:
    """Answers every connection's first request as `behaviour` says; keeps what was asked."""

    behaviour: Behaviour
    over: threading.Event = field(default_factory=threading.Event)
    asked: list[bytes] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/clip.mp4?token=hunter2"

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                part = connection.recv(65_536)
                if not part:
                    return
                request += part
            self.asked.append(request)
            self.behaviour(connection, self, len(self.asked))

    def close(self) -> None:
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], Server]]:
    servers: list[Server] = []

    def start(behaviour: Behaviour) -> Server:
        server = Server(behaviour)
        servers.append(server)
        threading.Thread(target=server.run, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.close()


def head(start: int = 0, size: object = SIZE, length: int = 1, **more: str) -> bytes:
    lines = [
        "HTTP/1.1 206 Partial Content",
        f"Content-Range: bytes {start}-{start + length - 1}/{size}",
        f"Content-Length: {length}",
        "Connection: close",
        *(f"{name.replace('_', '-')}: {value}" for name, value in more.items()),
    ]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n"


def asked_range(server: Server) -> tuple[int, int]:
    """[start, end) of the last request."""
    line = next(line for line in server.asked[-1].split(b"\r\n") if line.lower().startswith(b"range:"))
    start, _, last = line.split(b"=")[1].partition(b"-")
    return int(start), int(last) + 1


def answering(**more: str) -> Behaviour:
    def honest(connection: socket.socket, server: Server, _count: int) -> None:
        start, end = asked_range(server)
        connection.sendall(head(start, length=end - start, **more) + bytes(end - start))

    return honest


def never(connection: socket.socket, server: Server, _count: int) -> None:
    server.over.wait(30)


def stops_in_the_middle(connection: socket.socket, server: Server, count: int) -> None:
    start, end = asked_range(server)
    connection.sendall(head(start, length=end - start) + bytes((end - start) // 2))
    if end - start > 1:
        server.over.wait(30)
    else:
        connection.sendall(b"\0")


def hangs_up_in_the_middle(connection: socket.socket, server: Server, count: int) -> None:
    start, end = asked_range(server)
    connection.sendall(head(start, length=end - start) + bytes(-(-(end - start) // 2)))


def drips_headers(connection: socket.socket, server: Server, _count: int) -> None:
    """Each byte arrives in time, the request never ends."""
    connection.sendall(b"HTTP/1.1 206 Partial Content\r\nX-Slow: ")
    while not server.over.wait(0.02):
        connection.sendall(b"x")


def drips_the_body(connection: socket.socket, server: Server, _count: int) -> None:
    start, end = asked_range(server)
    connection.sendall(head(start, length=end - start))
    if end - start == 1:
        connection.sendall(b"\0")
    while end - start > 1 and not server.over.wait(0.02):
        connection.sendall(b"x")


def endless_headers(connection: socket.socket, server: Server, _count: int) -> None:
    connection.sendall(b"HTTP/1.1 206 Partial Content\r\n")
    while not server.over.is_set():
        connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")


def endless_body(connection: socket.socket, server: Server, _count: int) -> None:
    start, end = asked_range(server)
    connection.sendall(head(start, length=end - start).replace(b"Content-Length: ", b"X-Length: "))
    while not server.over.is_set():
        connection.sendall(bytes(65_536))


def gzip_bomb(connection: socket.socket, server: Server, _count: int) -> None:
    bomb = gzip.compress(bytes(8 << 20))
    connection.sendall(head(length=len(bomb), Content_Encoding="gzip") + bomb)


def claiming(size: object) -> Behaviour:
    def lying(connection: socket.socket, server: Server, _count: int) -> None:
        start, end = asked_range(server)
        connection.sendall(head(start, size, end - start) + bytes(end - start))

    return lying


def another_part(connection: socket.socket, server: Server, _count: int) -> None:
    start, end = asked_range(server)
    connection.sendall(head(start + 1000, length=end - start) + bytes(end - start))


def no_http(connection: socket.socket, server: Server, _count: int) -> None:
    connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n" * 100)


def round_and_round(connection: socket.socket, server: Server, _count: int) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def changing(connection: socket.socket, server: Server, count: int) -> None:
    answering(ETag=f'"{min(count, 2)}"')(connection, server, count)


def shorter_than_said(connection: socket.socket, server: Server, count: int) -> None:
    if asked_range(server)[0] > 0:
        connection.sendall(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    else:
        answering()(connection, server, count)


@pytest.mark.parametrize(
    ("behaviour", "kind", "code"),
    [
        (never, Retryable, "http_stalled"),
        (stops_in_the_middle, Retryable, "http_stalled"),
        (hangs_up_in_the_middle, Retryable, "http_failed"),
        (drips_headers, Retryable, "http_stalled"),
        (drips_the_body, Retryable, "http_stalled"),
        (endless_headers, Retryable, "http_failed"),
        (gzip_bomb, BadMedia, "range_not_supported"),
        (claiming("*"), BadMedia, "range_not_supported"),
        (claiming(-5), BadMedia, "range_not_supported"),
        (claiming("9" * 5000), BadMedia, "range_not_supported"),
        (claiming("1e9"), BadMedia, "range_not_supported"),
        (another_part, BadMedia, "range_not_supported"),
        (no_http, Retryable, "http_failed"),
        (round_and_round, BadMedia, "too_many_redirects"),
        (changing, Superseded, "source_changed"),
        (shorter_than_said, Superseded, "source_changed"),
    ],
)
def test_what_a_server_may_do_ends_in_words(
    serve: Callable[[Behaviour], Server], behaviour: Behaviour, kind: type[StageError], code: str
) -> None:
    server = serve(behaviour)
    with pytest.raises(StageError) as caught:
        read_to_the_end(server.uri, HASTY if code == "http_stalled" else POLICY)
    assert isinstance(caught.value, kind)
    assert caught.value.code == code
    assert "clip.mp4" in caught.value.message
    assert "hunter2" not in caught.value.message


def read_to_the_end(uri: str, policy: SourcePolicy = POLICY) -> None:
    source = open_source(uri, policy)
    try:
        source.seek(2 << 20)
        while source.read(1 << 20):
            pass
        source.seek(0)
        source.read(10)
    finally:
        source.close()


def test_a_body_without_end_gives_what_was_asked_and_no_more(serve: Callable[[Behaviour], Server]) -> None:
    source = open_source(serve(endless_body).uri, POLICY)
    assert source.read(1 << 20) == bytes(1 << 20)
    source.close()


def test_an_absurd_size_costs_only_what_is_read(serve: Callable[[Behaviour], Server]) -> None:
    source = open_source(serve(claiming(10**17)).uri, POLICY)
    assert source.seek(-10, 2) == 10**17 - 10
    assert source.read() == bytes(10)
    source.close()


def test_credentials_of_the_uri_go_to_its_server_alone(serve: Callable[[Behaviour], Server]) -> None:
    other = serve(answering())

    def leads_on(connection: socket.socket, server: Server, count: int) -> None:
        target = f"http://127.0.0.1:{other.port}/clip.mp4"
        connection.sendall(f"HTTP/1.1 307 Moved\r\nLocation: {target}\r\nConnection: close\r\n\r\n".encode())

    first = serve(leads_on)
    open_source(first.uri.replace("http://", "http://user:hunter2@"), POLICY).close()
    assert b"Authorization: Basic dXNlcjpodW50ZXIy" in first.asked[0]
    assert b"authorization" not in other.asked[0].lower()


class Resolver:
    """A name server that changes its mind: the first answer is taken for public, all later ones are loopback too."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked += 1
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


def test_a_name_that_is_rebound_gains_nothing(
    serve: Callable[[Behaviour], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.1 stands for a public address. The answer that was checked is the one connected to."""
    server = serve(answering())
    resolver = Resolver("127.0.0.1", "127.0.0.2")
    monkeypatch.setattr(http_connect, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(http_connect, "getaddrinfo", resolver)
    source = open_source(f"http://rebound.test:{server.port}/clip.mp4", replace(POLICY, allow_private_addresses=False))
    assert (resolver.asked, len(server.asked)) == (1, 1)
    assert f"Host: rebound.test:{server.port}".encode() in server.asked[0]
    with pytest.raises(BadMedia) as caught:
        source.read(10)
    assert caught.value.code == "address_not_allowed"
    assert len(server.asked) == 1
    source.close()


def test_a_name_with_one_private_address_among_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(http_connect, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(BadMedia) as caught:
        HttpSource("http://both.test/a", SourcePolicy())
    assert caught.value.code == "address_not_allowed"


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "127.1",
        "0",
        "[::]",
        "[::127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::10.0.0.1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_addresses_in_disguise(host: str) -> None:
    with pytest.raises(StageError) as caught:
        open_source(f"http://{host}:9/a", replace(POLICY, allow_private_addresses=False))
    assert caught.value.code in {"address_not_allowed", "invalid_uri"}


@pytest.mark.parametrize("uri", ["http://[::1", "http://exa\ud800mple/", "http://host:99999/", "http:///a"])
def test_urls_that_are_none(uri: str) -> None:
    with pytest.raises(BadMedia) as caught:
        open_source(uri, POLICY)
    assert caught.value.code in {"invalid_uri", "scheme_not_allowed"}


def test_a_password_with_a_slash_is_not_taken_for_a_path() -> None:
    assert "hunter2" not in describe("http://user:pa/hunter2@host/a.mp4")
    assert describe("https://user:hunter2@[::1]:8/x?y") == "https://::1/x"
