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
_NO_ANSWER = (
    "it ended the connection without answering the closing alert of TLS, so it may have read only a part. rsyslog does"
    " so with its driver gtls: choose ossl there, or let the end count with ?end=unanswered at the end of the target"
)


class SyslogTarget:
    """One connection a delivery. Syslog acknowledges nothing, so the end of the connection does: a peer answers the
    closing alert of TLS after it has read everything before it.

    `unanswered`: for a peer that closes the connection instead. A system resets a connection that is closed with
    something unread, so an end without a reset counts as well. Who can forge packets between the two can forge that.
    """

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext | None = None, *, unanswered: bool = False
    ) -> None:
        self._host = host
        self._port = port
        self._unanswered = unanswered
        self._context = context or ssl.create_default_context()

    def deliver(self, delivery: AuditDelivery) -> None:
        try:
            with (
                socket.create_connection((self._host, self._port), _TIMEOUT_S) as plain,
                self._context.wrap_socket(plain, server_hostname=self._host) as secure,
            ):
                for message in _messages(delivery):
                    secure.sendall(b"%d " % len(message) + message)
                self._end(secure)
        except OSError as error:  # of TLS as well
            raise self._refused(fault_of(error)) from None

    def _end(self, secure: ssl.SSLSocket) -> None:
        try:
            secure.unwrap()
        except ssl.SSLEOFError:
            if not self._unanswered:
                raise self._refused(_NO_ANSWER) from None

    def _refused(self, why: str) -> Unavailable:
        return Unavailable(
            f"syslog at {self._host}:{self._port} did not take audit events: {why}", code="siem_unavailable"
        )

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
