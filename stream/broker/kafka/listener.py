"""Finds out by a request what a Kafka listener speaks: TLS or not, SASL or not. Sends no credentials."""

import socket
import ssl
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_ANSWER_BYTES = 4096  # enough for any list of mechanisms; a stranger's length field must not choose how much is read
_SASL_HANDSHAKE, _VERSION, _CORRELATION = 17, 1, 1
_HEAD = struct.Struct(">ihi")  # correlation, error code, how many names


@dataclass(frozen=True, slots=True)
class Listener:
    """`mechanisms` are those of SASL; empty where the listener knows no users."""

    tls: bool
    mechanisms: tuple[str, ...]

    @property
    def protocol(self) -> str:
        """The value of `security.protocol` for it."""
        return ("SASL_" if self.mechanisms else "") + ("SSL" if self.tls else "PLAINTEXT")

    def __str__(self) -> str:
        return f"{self.protocol} ({', '.join(self.mechanisms)})" if self.mechanisms else self.protocol


def ask(servers: Iterable[str], timeout_s: float) -> tuple[str, Listener] | None:
    """The first of these host:port that answers, and what it speaks. None where none does: it is unreachable, it is no
    Kafka, or it wants a client certificate first.
    """
    for server in servers:
        for tls in (False, True):
            try:
                return server, Listener(tls, _mechanisms(server, timeout_s, tls=tls))
            except (OSError, ValueError):
                continue
    return None


def protocol_of(properties: Mapping[str, str]) -> str:
    """The protocol of a client with these properties, in the form of `Listener.protocol`."""
    return properties.get("security.protocol", "plaintext").upper()


def _mechanisms(server: str, timeout_s: float, *, tls: bool) -> tuple[str, ...]:
    """Sends a SaslHandshake that names no mechanism (Kafka protocol guide). A listener without SASL answers too, with
    an error and no names. Raises `OSError`, or `ValueError` for an answer that is not Kafka's.
    """
    host, _, port = server.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s) as plain:
        connection = _unverified().wrap_socket(plain, server_hostname=host) if tls else plain
        with connection:
            connection.settimeout(timeout_s)
            connection.sendall(_framed(struct.pack(">hhi", _SASL_HANDSHAKE, _VERSION, _CORRELATION) + 2 * _text("?")))
            return _names(_answer(connection))


def _answer(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    if not _HEAD.size <= size <= _ANSWER_BYTES:
        raise ValueError("not an answer of Kafka")
    return _exactly(connection, size)


def _names(answer: bytes) -> tuple[str, ...]:
    correlation, _, count = _HEAD.unpack_from(answer)
    if correlation != _CORRELATION:
        raise ValueError("an answer to something else")
    names, at = [], _HEAD.size
    for _ in range(count):
        if at + 2 > len(answer):
            raise ValueError("an answer cut short")
        (length,) = struct.unpack_from(">h", answer, at)
        names.append(answer[at + 2 : at + 2 + length].decode())
        at += 2 + length
    return tuple(names)


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise ValueError("the connection ended")
        found += part
    return found


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _framed(request: bytes) -> bytes:
    return struct.pack(">i", len(request)) + request


def _unverified() -> ssl.SSLContext:
    """Verifies nothing: the listener is only asked what it speaks, and no secret is sent."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
