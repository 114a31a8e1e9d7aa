"""Names of objects in stores, and their allowed buckets and prefixes (pure): `scheme://bucket/key`."""

import re
from collections.abc import Collection
from urllib.parse import unquote

from stream.errors import BadMedia, StageError

_NO_STORES = frozenset(
    [
        *("file", "local", "http", "https", "data", "ftp", "sftp", "ssh", "smb", "webdav", "webhdfs"),
        *("github", "git", "gist", "jupyter", "jlab", "dask", "dbfs", "lakefs"),
        *("simplecache", "filecache", "blockcache", "cached", "asynclocal", "async_wrapper"),
        *("zip", "tar", "libarchive", "dir", "reference", "generic", "root"),
    ]
)
"""Protocols of fsspec that have no buckets: their URIs name hosts, or wrap another protocol."""
_VERSION = re.compile(r"\?versionid=", re.IGNORECASE)


def is_store(scheme: str) -> bool:
    """Whether URIs of this scheme may have the form `scheme://bucket/key`."""
    return re.fullmatch("[a-z][a-z0-9+.-]*", scheme) is not None and scheme not in _NO_STORES


def prefix_of(root: str) -> str:
    """A root such as `s3://bucket/prefix` in the form that `is_under` takes. Raises `ValueError` with the problem."""
    scheme, mark, path = root.partition("://")
    if not mark or not is_store(scheme.lower()):
        raise ValueError(f"{scheme[:20]!r} is no store of buckets: write s3://BUCKET/PREFIX")
    problem = _problem(path.removesuffix("/"))
    if problem:
        raise ValueError(f"{problem}: write {scheme}://BUCKET/PREFIX")
    return f"{scheme.lower()}://{path.removesuffix('/')}"


def checked_name(uri: str, scheme: str, prefixes: Collection[str]) -> str:
    """The URI, if it names an object under one of the prefixes, compared segment by segment. Nothing in it is decoded
    or resolved: a name that a store or gateway might decode or resolve is refused. Raises `BadMedia`.
    """
    path = uri[len(scheme) + 3 :]
    if uri[: len(scheme) + 3].lower() != f"{scheme}://":
        raise BadMedia("chained protocols are not allowed; publish the object's own uri", code="scheme_not_allowed")
    if not any(prefix.startswith(f"{scheme}://") for prefix in prefixes):
        raise BadMedia(
            f"no bucket of {scheme}:// is allowed here; allow one with --root {scheme}://BUCKET/PREFIX",
            code="scheme_not_allowed",
        )
    problem = _problem(path) or ("it names a bucket and no object" if "/" not in path else None)
    if problem:
        raise BadMedia(f"the uri cannot be used: {problem}; publish {scheme}://BUCKET/KEY", code="invalid_uri")
    if not is_under(f"{scheme}://{path}", prefixes):
        raise absent(scheme)
    return f"{scheme}://{path}"


def absent(scheme: str) -> StageError:
    """One error for missing and for forbidden objects: an event must not find out what exists."""
    return BadMedia(
        f"no such object under the allowed prefixes; check the uri, or allow its prefix (--root {scheme}://BUCKET/PREFIX"
        " of the workers, --source of the tenant)",
        code="not_found",
    )


def is_under(uri: str, prefixes: Collection[str]) -> bool:
    """Whether the URI is under one of the prefixes. Costs one lookup per level of the URI, for
    any number of prefixes.
    """
    ends = [match.start() for match in re.finditer("/", uri)][2:]
    return any(uri[:end] in prefixes for end in [*ends, len(uri)])


def _problem(path: str) -> str | None:
    """Why a store, a gateway or a client might read the path as another name; None if they would not."""
    # A versioned name would read another object than the one that is checked and stored.
    if _VERSION.search(path):
        return "it names a version"
    bucket, *key = path.split("/")
    if not bucket or re.search(r"[\\?#%]", bucket):
        return "its bucket is none"
    # Stores keep `a//b`, while gateways and clients often join it to `a/b`.
    if "" in key:
        return "a part of its path is empty"
    return "a part of its path is relative" if any(map(is_relative, key)) else None


def is_relative(part: str) -> bool:
    """Whether a part of a path is `.` or `..`, or holds one, for somebody who decodes it."""
    decoded = part
    for _ in range(4):  # client, gateway and store may each decode once more
        decoded = unquote(decoded)
    return any(name in {".", ".."} for text in (part, decoded) for name in re.split(r"[/\\]", text))
