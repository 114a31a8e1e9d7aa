"""Bytes behind a uri, checked against policy before the first one is read. FFmpeg never opens a name."""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from decoders.protocol import Source
from stream.errors import BadMedia, printable
from stream.events.ids import without_secrets
from stream.events.redaction import is_malformed, is_opaque

_INVALID = "the uri is not valid; publish a path or a URL"
LOCAL = "local"
"""What fsspec calls this machine's files: paths under the roots like any other, where the policy names the scheme."""


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """What a uri may name. Decode children do not know it: their parent opens for them.

    `roots` bound every local path after it is resolved; none allows no local path at all. They are real paths, resolved
    once by whoever makes the policy (`with_roots`): a link that is put in their place later widens nothing. `schemes`
    beside `file`, `http` and `https` are fsspec protocols (`s3`, …), and `prefixes` bound them as roots bound paths:
    `s3://bucket/prefix`, in the form of `objects.prefix_of`. Sets, where there are many. Addresses that are not public
    (`decoders.addresses`) are refused unless `allow_private_addresses`.
    """

    schemes: tuple[str, ...] = ("file", "http", "https")
    roots: Collection[str] = ()
    prefixes: Collection[str] = ()
    allow_private_addresses: bool = False
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 20.0
    request_timeout_s: float = 60.0
    max_redirects: int = 5

    def with_roots(self, *roots: str | Path) -> "SourcePolicy":
        """The same policy with further roots, such as the paths a person typed. Resolved here, and never again."""
        return replace(self, roots=frozenset(self.roots).union(map(os.path.realpath, roots)))


def open_source(uri: str, policy: SourcePolicy) -> Source:
    """Open `uri` for reading.

    Raises `BadMedia` for what the uri or the file is to blame for (codes `invalid_uri`, `scheme_not_allowed`,
    `not_found`, `permission_denied`, `is_directory`, `not_a_file`, `empty`, `address_not_allowed`, `http_status`,
    `range_not_supported`, `extra_missing`), `Retryable` for a passing fault of it. What lies outside of the roots is
    `not_found` as well: an event must not find out what is there. A server that is away is one asset's trouble:
    `Unavailable` would let any event pause the stage.
    """
    scheme = split_uri(uri).scheme.lower() if "://" in uri else "file"
    if scheme not in policy.schemes:
        raise BadMedia(
            f"{describe(uri)}: scheme {scheme[:20]!r} is not allowed here (allowed: {', '.join(policy.schemes)})",
            code="scheme_not_allowed",
        )
    if "://" in uri and is_malformed(uri):
        raise BadMedia(_INVALID, code="invalid_uri")
    if scheme in {"file", LOCAL}:
        from decoders.file_source import FileSource

        return FileSource(local_path(uri), policy.roots, describe(uri) if is_opaque(uri) else None)
    if scheme in {"http", "https"}:
        from decoders.http_source import HttpSource

        return HttpSource(uri, policy)
    from decoders.fsspec_source import FsspecSource

    return FsspecSource(uri, scheme, policy.prefixes)


def split_uri(uri: str) -> SplitResult:
    """Parsed, or `BadMedia` `invalid_uri`."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or not uri or any(ord(char) < 32 for char in uri):
        raise BadMedia(_INVALID, code="invalid_uri")
    return parts


def local_path(uri: str) -> Path:
    """The path that a plain path, a `file://` or a `local://` uri names; only in a `file` uri `%` is special."""
    path = uri
    if uri.lower().startswith(f"{LOCAL}://"):
        split_uri(uri)
        path = uri[len(LOCAL) + 3 :]
    elif "://" in uri:
        parts = split_uri(uri)
        path = os.fsdecode(unquote_to_bytes(parts.path))
        if parts.netloc not in {"", "localhost"}:
            raise BadMedia(f"{describe(uri)}: a file uri names no host; write file:///path", code="invalid_uri")
    if not path or "\0" in path:
        raise BadMedia(_INVALID, code="invalid_uri")
    return Path(path)


def describe(uri: str) -> str:
    """How messages name a source: a file's name, or the URL without user, password, query and fragment."""
    if is_opaque(uri):
        return without_secrets(uri)
    if "://" not in uri or uri.lower().startswith("file://"):
        name = uri.split("?", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1]
        return _printable(name) or "/"
    parts = urlsplit(uri)
    return _printable(f"{parts.scheme}://{parts.hostname or ''}{parts.path}")


def _printable(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= 200 else shown[:197] + "…"
