"""Parses URIs, and names them in messages (pure)."""

import os
from pathlib import Path
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from stream.errors import BadMedia, printable
from stream.events.ids import without_secrets
from stream.events.redaction import is_opaque

INVALID = "the URI is not valid; publish a path or a URL"
LOCAL = "local"
"""fsspec's name for files of this machine. If the policy names the scheme, its paths must be under the roots too."""


def split_uri(uri: str) -> SplitResult:
    """The parsed URI. Raises `BadMedia` `invalid_uri`."""
    try:
        parts = urlsplit(uri)
        # `urlsplit` checks the port only when it is read.
        _ = parts.port
    except ValueError:
        parts = None
    # Control characters can break a log line or a request in two.
    if parts is None or not uri or any(ord(char) < 32 for char in uri):
        raise BadMedia(INVALID, code="invalid_uri")
    return parts


def local_path(uri: str) -> Path:
    """The path that a plain path, a `file://` or a `local://` URI names. `%` escapes only in a `file` URI."""
    path = uri
    if uri.lower().startswith(f"{LOCAL}://"):
        split_uri(uri)
        path = uri[len(LOCAL) + 3 :]
    elif "://" in uri:
        parts = split_uri(uri)
        path = os.fsdecode(unquote_to_bytes(parts.path))
        # A host would be ignored, and the event would name another machine's file.
        if parts.netloc not in {"", "localhost"}:
            raise BadMedia(f"{describe(uri)}: a file uri names no host; write file:///path", code="invalid_uri")
    # Python refuses a zero byte only when the file is opened, with an error of another type.
    if not path or "\0" in path:
        raise BadMedia(INVALID, code="invalid_uri")
    return Path(path)


def describe(uri: str) -> str:
    """The name of a source in messages: a file's name, or the URL without user, password, query and fragment."""
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
