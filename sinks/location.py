"""Where a store lies: a directory of this machine, or a place on an object store. Stores pass it on and ask it, and
never take its text apart.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias
from urllib.parse import urlsplit

from stream.errors import Fatal

SCHEMES = ("s3", "gs", "az")
"""Of object stores. They are what LanceDB and deltalake both take."""

_CLIENT = {"timeout": "10s", "connect_timeout": "5s"}
_OF_LANCE = {"client_max_retries": "3", "client_retry_timeout": "20", "download_retry_count": "2"}
_OF_DELTA = {"max_retries": "3", "retry_timeout": "20s"}
_NAME = re.compile(r"[A-Za-z0-9._=/ -]+")


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """Made by `of` from what a user named, and shown as that. `uri` is what the stores' libraries open."""

    uri: str

    @classmethod
    def of(cls, place: "Place") -> Self:
        """A location as it is; the directory that a path names; or the place that a URI such as `s3://bucket/prefix`
        names. Raises `Fatal` (`unusable_path`) for a URI at which no store can lie.
        """
        text = place.uri if isinstance(place, Location) else str(place)
        return cls(_checked(text) if "://" in text and not isinstance(place, Path) else text)

    def __str__(self) -> str:
        return self.uri

    def child(self, name: str) -> "Location":
        """What lies in it under this name."""
        path = self.path
        return Location(f"{self.uri}/{name}" if path is None else str(path / name))

    @property
    def path(self) -> Path | None:
        """The directory; None on an object store."""
        return None if "://" in self.uri else Path(self.uri)

    @property
    def scheme(self) -> str | None:
        """Of the object store, one of `SCHEMES`; None for a directory."""
        return None if self.path is not None else self.uri.partition("://")[0]

    @property
    def directory(self) -> Path:
        """`path`, for what works in directories alone."""
        path = self.path
        assert path is not None
        return path

    @property
    def options(self) -> dict[str, str] | None:
        """What the stores' libraries are opened with: on an object store no request waits without end. Who is asked,
        and with which credentials, they read from the environment (`AWS_*`, `AZURE_*`, `GOOGLE_*`).
        """
        return _CLIENT | _OF_LANCE | _OF_DELTA if self.path is None else None


Place: TypeAlias = Location | Path | str
"""What may name a location: callers outside the stores have paths, and what a user typed."""


def _checked(uri: str) -> str:
    """The URI without a slash at its end."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        # Not shown: what cannot be parsed may hold credentials anywhere.
        raise _unusable("the address", "it is no URI") from None
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise _unusable(where, "it holds credentials or options: give those by the environment, such as AWS_*")
    if parts.scheme not in SCHEMES:
        raise _unusable(where, f"stores lie in directories or at {', '.join(f'{name}://' for name in SCHEMES)}")
    # Libraries take `..` for the folder above, and so out of a place below which somebody may write.
    dotted = {".", ".."} & set(parts.path.split("/"))
    if not parts.netloc or not _NAME.fullmatch(parts.netloc + parts.path) or "//" in parts.path or dotted:
        raise _unusable(where, "name a bucket and a prefix of letters, digits and . _ = - /")
    return where.rstrip("/")


def _unusable(where: str, why: str) -> Fatal:
    return Fatal(f"no store can lie at {where}: {why}", code="unusable_path")
