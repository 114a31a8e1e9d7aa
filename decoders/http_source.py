"""http(s) by range reads. Every hop is resolved and checked; the connection goes to the address that was checked."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx

from decoders.blocks import BlockReader
from decoders.source import SourcePolicy, describe, split_uri
from stream.errors import BadMedia, Retryable, StageError, Superseded, Unavailable
from stream.events.asset import SourceVersion

_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class HttpSource:
    """Range reads with timeouts, without a proxy and without cookies. `version` asks the server again."""

    def __init__(self, uri: str, policy: SourcePolicy) -> None:
        self._uri = uri
        self._policy = policy
        self._client = httpx.Client(
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(policy.read_timeout_s, connect=policy.connect_timeout_s),
        )
        try:
            self._opened = self._probe()
        except BaseException:
            self._client.close()
            raise
        self._reader = BlockReader(self._opened.size_bytes, self._fetch)

    @property
    def version(self) -> SourceVersion:
        return self._probe()

    def read(self, size: int = -1) -> bytes:
        return self._reader.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def close(self) -> None:
        self._client.close()

    def _probe(self) -> SourceVersion:
        answer = self._get(0, 1)
        return _version(self._uri, answer)

    def _fetch(self, start: int, end: int) -> bytes:
        answer = self._get(start, end)
        if _version(self._uri, answer) != self._opened:
            raise Superseded(f"{describe(self._uri)}: the object changed while it was read", code="source_changed")
        if len(answer.body) != end - start:
            raise Retryable(f"{describe(self._uri)}: the server sent less than asked", code="short_read")
        return answer.body

    def _get(self, start: int, end: int) -> _Answer:
        uri = self._uri
        for _ in range(self._policy.max_redirects + 1):
            answer = self._request(uri, start, end)
            if answer.status not in _REDIRECTS:
                _check_status(self._uri, answer)
                return answer
            uri = urljoin(uri, answer.headers.get("location", ""))
        raise BadMedia(f"{describe(self._uri)}: too many redirects; publish the final URL", code="too_many_redirects")

    def _request(self, uri: str, start: int, end: int) -> _Answer:
        parts = split_uri(uri)
        if parts.scheme not in {"http", "https"} or parts.scheme not in self._policy.schemes or not parts.hostname:
            raise BadMedia(
                f"{describe(self._uri)}: redirects to a scheme that is not allowed", code="scheme_not_allowed"
            )
        address = checked_address(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), self._policy)
        url = httpx.URL(uri)
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Range": f"bytes={start}-{end - 1}",
            "Accept-Encoding": "identity",
        }
        try:
            with self._client.stream(
                "GET", url.copy_with(host=address), headers=headers, extensions={"sni_hostname": parts.hostname}
            ) as response:
                body = _read_limited(response, end - start) if response.status_code == 206 else b""
                return _Answer(response.status_code, response.headers, body)
        except httpx.TimeoutException:
            raise Retryable(
                f"{describe(self._uri)}: the server did not answer within {self._policy.read_timeout_s:g} s",
                code="http_stalled",
            ) from None
        except httpx.ConnectError:
            raise Unavailable(
                f"{describe(self._uri)}: cannot connect; is the server up?", code="http_connect"
            ) from None
        except httpx.HTTPError as error:
            raise Retryable(
                f"{describe(self._uri)}: the transfer failed ({type(error).__name__})", code="http_failed"
            ) from None


def checked_address(host: str, port: int, policy: SourcePolicy) -> str:
    """One address of `host`, if the policy allows every address it has: a name must not hide a private one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Retryable(f"{host[:200]}: the host name cannot be resolved; check it", code="http_resolve") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not policy.allow_private_addresses and not all(_is_public(address) for address in addresses):
        raise BadMedia(
            f"{host[:200]}: resolves to a private, loopback or link-local address, which is not allowed here",
            code="address_not_allowed",
        )
    return addresses[0]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    checked = mapped or parsed
    return checked.is_global and not checked.is_multicast


def _read_limited(response: httpx.Response, limit_bytes: int) -> bytes:
    """At most what was asked, whatever the server sends."""
    body = bytearray()
    for part in response.iter_raw():
        body += part
        if len(body) >= limit_bytes:
            break
    return bytes(body[:limit_bytes])


def _check_status(uri: str, answer: _Answer) -> None:
    if answer.status == 206:
        return
    raise _status_error(describe(uri), answer.status)


def _status_error(name: str, status: int) -> StageError:
    if status == 200:
        return BadMedia(
            f"{name}: the server does not support byte ranges; copy the file locally", code="range_not_supported"
        )
    if status == 416:
        return BadMedia(f"{name}: the object is empty; publish it when it is written", code="empty")
    if status in {404, 410}:
        return BadMedia(f"{name}: not found (HTTP {status}); check the URL", code="not_found")
    if status in {401, 403}:
        return BadMedia(
            f"{name}: access denied (HTTP {status}); sign the URL or allow access", code="permission_denied"
        )
    if status == 429 or status >= 500:
        return Retryable(f"{name}: the server is in trouble (HTTP {status})", code="http_status")
    return BadMedia(f"{name}: unexpected answer (HTTP {status}); check the URL", code="http_status")


def _version(uri: str, answer: _Answer) -> SourceVersion:
    _, _, total = answer.headers.get("content-range", "").partition("/")
    if not total.isdigit():
        raise BadMedia(f"{describe(uri)}: the server does not tell the object's size", code="range_not_supported")
    tag = answer.headers.get("etag") or answer.headers.get("last-modified") or ""
    return SourceVersion(size_bytes=int(total), tag=tag[:200])
