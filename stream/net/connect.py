"""Connections to public addresses only. It connects to the very address that was checked, so a name that resolves
differently the second time (DNS rebinding) gains nothing.
"""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from socket import SOCK_STREAM, getaddrinfo
from typing import Any

import httpcore

from stream.clock import SystemClock
from stream.errors import BadMedia, Retryable
from stream.net.addresses import is_public


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPolicy:
    """Where a connection may go and how long it may take. Addresses that are not public (`stream.net.addresses`) are
    refused unless `allow_private_addresses`.
    """

    allow_private_addresses: bool = False
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 20.0
    request_timeout_s: float = 60.0
    max_redirects: int = 5


class CheckedBackend(httpcore.NetworkBackend):
    """Resolves, checks and connects. From `begin` on, all reads together take at most `request_timeout_s`."""

    def __init__(self, policy: ConnectionPolicy) -> None:
        self._policy = policy
        self._network = httpcore.SyncBackend()
        self._clock = SystemClock()
        self._deadline_s = float("inf")

    def begin(self) -> None:
        """A request begins. Without this limit, a server could keep it alive for ever with a byte now and then."""
        self._deadline_s = self._clock.monotonic_s() + self._policy.request_timeout_s

    def left_s(self, timeout_s: float | None) -> float:
        left_s = self._deadline_s - self._clock.monotonic_s()
        if left_s <= 0:
            raise httpcore.ReadTimeout
        return left_s if timeout_s is None else min(left_s, timeout_s)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises `BadMedia` `address_not_allowed` and `Retryable` `http_resolve`."""
        address = checked_address(host, port, self._policy)
        return _Timed(self._network.connect_tcp(address, port, timeout, local_address, socket_options), self)


class _Timed(httpcore.NetworkStream):
    """A stream whose reads end at the request's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, backend: CheckedBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, timeout), self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def checked_address(host: str, port: int, policy: ConnectionPolicy) -> str:
    """One address of `host`, if the policy allows all its addresses: a name must not hide a private one."""
    try:
        found = getaddrinfo(host, port, type=SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Retryable(f"{host[:200]}: the host name cannot be resolved; check it", code="http_resolve") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not policy.allow_private_addresses and not all(is_public(address) for address in addresses):
        raise BadMedia(
            f"{host[:200]}: resolves to an address that is not public (private, loopback, link-local, reserved),"
            " which is not allowed here",
            code="address_not_allowed",
        )
    return addresses[0]
