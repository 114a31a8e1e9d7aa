"""HTTP(S) with range reads. Every connection goes to a checked address, within limits of time and size."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urljoin

import httpcore
import httpx

from decoders.sources.blocks import BlockReader, BlockSource
from decoders.sources.limits import is_under_url
from decoders.sources.policy import SourcePolicy
from decoders.sources.uris import describe, split_uri
from stream.errors import BadMedia, Retryable, StageError, Superseded
from stream.events.asset import SourceVersion
from stream.net.connect import CheckedBackend

_REDIRECTS = {301, 302, 303, 307, 308}
# Longer numbers are refused before `int` sees them.
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class HttpSource(BlockSource):
    """Range reads with timeouts, without proxy and cookies. `version` asks the server again. Raises `BadMedia`,
    `Retryable` and `Superseded`.
    """

    def __init__(self, uri: str, policy: SourcePolicy) -> None:
        self._uri = uri
        self._policy = policy
        self._backend = CheckedBackend(policy)
        # Our own backend connects, so that every address is checked, also after a redirect.
        self._pool = httpcore.ConnectionPool(network_backend=self._backend)
        try:
            self._opened = self._probe()
        except BaseException:
            self._pool.close()
            raise
        self._reader = BlockReader(self._opened.size_bytes, self.fetch)

    @property
    def version(self) -> SourceVersion:
        return self._probe()

    def close(self) -> None:
        self._pool.close()

    def _probe(self) -> SourceVersion:
        # A GET of one byte and not HEAD: it also proves that the server supports ranges.
        return _version(self._uri, self._get(0, 1), start=0)

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes [start, end), with a new request."""
        answer = self._get(start, end)
        # Each answer states size and tag, so a change in the middle is seen at once.
        if _version(self._uri, answer, start=start) != self._opened:
            raise Superseded(f"{describe(self._uri)}: the object changed while it was read", code="source_changed")
        if len(answer.body) != end - start:
            raise Retryable(f"{describe(self._uri)}: the server sent less than requested", code="short_read")
        return answer.body

    def _get(self, start: int, end: int) -> _Answer:
        uri = self._uri
        # Followed here and not by the library: each target must pass the policy again.
        for _ in range(self._policy.max_redirects + 1):
            answer = self._request(uri, start, end)
            if answer.status not in _REDIRECTS:
                _check_answer(self._uri, answer, start=start)
                return answer
            uri = urljoin(uri, answer.headers.get("location", ""))
        raise BadMedia(f"{describe(self._uri)}: too many redirects; publish the final URL", code="too_many_redirects")

    def _check_place(self, url: httpx.URL) -> None:
        """By the parts that the request is made of, so that nobody reads another host or path in the URL."""
        path = url.raw_path.partition(b"?")[0].decode("ascii")
        urls = self._policy.urls
        if urls is not None and not is_under_url(url.scheme, url.host, url.port, path, urls):
            raise BadMedia(
                f"{describe(self._uri)}: not under the URLs that this tenant may publish, or redirected to another"
                " place; publish one of them, or have its place allowed (`rushes tenants add --source`)",
                code="source_not_allowed",
            )

    def _request(self, uri: str, start: int, end: int) -> _Answer:
        parts = split_uri(uri)
        if parts.scheme not in {"http", "https"} or parts.scheme not in self._policy.schemes or not parts.hostname:
            raise BadMedia(
                f"{describe(self._uri)}: redirects to a scheme that is not allowed", code="scheme_not_allowed"
            )
        url = _parsed(uri)
        self._check_place(url)
        limits = {"connect": self._policy.connect_timeout_s, "read": self._policy.read_timeout_s}
        headers: dict[bytes | str, bytes | str] = {
            b"Host": url.netloc,
            b"Range": b"bytes=%d-%d" % (start, end - 1),
            # A compressed range has other offsets than the file.
            b"Accept-Encoding": b"identity",
        }
        if url.userinfo:
            headers[b"Authorization"] = b"Basic " + base64.b64encode(f"{url.username}:{url.password}".encode())
        # One time for the whole request, redirects apart: a server that sends single bytes cannot extend it.
        self._backend.begin()
        try:
            with self._pool.stream("GET", _target(url), headers=headers, extensions={"timeout": limits}) as response:
                body = _read_limited(response.iter_stream(), end - start) if response.status == 206 else b""
                return _Answer(response.status, httpx.Headers(response.headers), body)
        except httpcore.TimeoutException:
            raise Retryable(
                f"{describe(self._uri)}: the server did not answer in time"
                f" ({self._policy.read_timeout_s:g} s for a sign of life, {self._policy.request_timeout_s:g} s in all)",
                code="http_stalled",
            ) from None
        except httpcore.ConnectError:
            raise Retryable(f"{describe(self._uri)}: cannot connect; is the server up?", code="http_connect") from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Retryable(
                f"{describe(self._uri)}: the transfer failed ({type(error).__name__})", code="http_failed"
            ) from None


def _parsed(uri: str) -> httpx.URL:
    try:
        return httpx.URL(uri)
    except (httpx.InvalidURL, UnicodeError):
        raise BadMedia(f"{describe(uri)}: the URL is not valid", code="invalid_uri") from None


def _target(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _read_limited(parts: Iterable[bytes], limit_bytes: int) -> bytes:
    """At most `limit_bytes`, whatever the server sends."""
    body = bytearray()
    for part in parts:
        body += part
        if len(body) >= limit_bytes:
            break
    return bytes(body[:limit_bytes])


def _check_answer(uri: str, answer: _Answer, *, start: int) -> None:
    if answer.status == 416 and start > 0:
        raise Superseded(f"{describe(uri)}: the object is shorter than the server said", code="source_changed")
    if answer.status != 206:
        raise _status_error(describe(uri), answer.status)
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadMedia(
            f"{describe(uri)}: the server compresses the data against the request; copy the file locally",
            code="range_not_supported",
        )


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


def _version(uri: str, answer: _Answer, *, start: int) -> SourceVersion:
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if found is None or int(found[1]) != start:
        raise BadMedia(
            f"{describe(uri)}: the server does not state the object's size, or sends another range than requested",
            code="range_not_supported",
        )
    # Without either, only a change of the size is noticed.
    tag = answer.headers.get("etag") or answer.headers.get("last-modified") or ""
    return SourceVersion(size_bytes=int(found[2]), tag=tag[:200])
