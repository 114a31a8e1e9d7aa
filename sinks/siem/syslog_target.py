"""Syslog over TLS: messages of RFC 5424 in the frames of RFC 5425."""

import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sinks.siem.connection_faults import fault_of
from sinks.siem.target import AuditDelivery
from stream.errors import Unavailable

_AUDIT, _WARNING, _INFORMATIONAL = 13, 4, 6
_TIMEOUT_S = 10.0
_DENIED = 2


class SyslogTarget:
    """One connection a delivery. Syslog acknowledges nothing, so the end of the connection does: a peer answers the
    closing alert of TLS after it has read everything before it.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._port = port
        self._context = context or ssl.create_default_context()

    def deliver(self, delivery: AuditDelivery) -> None:
        try:
            with (
                socket.create_connection((self._host, self._port), _TIMEOUT_S) as plain,
                self._context.wrap_socket(plain, server_hostname=self._host) as secure,
            ):
                for message in _messages(delivery):
                    secure.sendall(b"%d " % len(message) + message)
                secure.unwrap()
        except OSError as error:  # of TLS as well
            raise Unavailable(
                f"syslog at {self._host}:{self._port} did not take audit events: {fault_of(error)}",
                code="siem_unavailable",
            ) from None

    def close(self) -> None:
        """There is nothing to close."""


def _messages(delivery: AuditDelivery) -> Iterator[bytes]:
    for event, line in zip(delivery.events, delivery.lines, strict=True):
        yield _head(event) + line
    if delivery.checkpoint is not None and delivery.events:
        note = delivery.checkpoint.decode().encode("unicode_escape")
        yield _head(delivery.events[-1], "checkpoint") + note


def _head(event: Mapping[str, Any], message_id: str = "") -> bytes:
    """Without structured data: all there is lies in the message."""
    severity = _WARNING if event.get("action_id") == _DENIED else _INFORMATIONAL
    at = datetime.fromtimestamp(event["time"] / 1000, UTC).isoformat(timespec="milliseconds")
    name = message_id or str(event["class_uid"])
    return f"<{_AUDIT * 8 + severity}>1 {at} {_hostname()} rushes {os.getpid()} {name} - ".encode()


def _hostname() -> str:
    return socket.gethostname().encode("ascii", "replace").decode() or "-"
