"""What one tenant may name of all that a deployment may read (pure)."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from decoders.sources.object_names import is_relative, prefix_of

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """`folders`: real paths. `prefixes`: of objects, in the form of `object_names.prefix_of`. `urls`: beginnings of
    http and https URLs, up to a complete folder.
    """

    folders: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()

    @classmethod
    def of(cls, sources: Collection[str]) -> "SourceLimits":
        """From absolute paths, `scheme://bucket/prefix`, and http(s) URLs. Raises `ValueError` with the problem."""
        paths = [each.rstrip("/") or "/" for each in sources if "://" not in each]
        if relative := [path for path in paths if not path.startswith("/") or any(map(is_relative, path.split("/")))]:
            raise ValueError(f"{relative[0][:200]!r} is no absolute path without links and dots: write /folder")
        addresses = [each for each in sources if "://" in each]
        web = [each for each in addresses if each.partition("://")[0].lower() in PORTS]
        objects = [each for each in addresses if each not in web]
        return cls(frozenset(paths), frozenset(map(prefix_of, objects)), frozenset(map(url_prefix_of, web)))


def within(mine: Collection[str], others: Collection[str]) -> frozenset[str]:
    """The folders, or prefixes of objects, that lie under one of each: a name is under one of these if and only if it
    is under one of `mine` and under one of `others`.
    """
    mine, others = frozenset(mine), frozenset(others)
    return frozenset(
        [name for name in mine if any(above in others for above in _levels(name))]
        + [name for name in others if any(above in mine for above in _levels(name))]
    )


def _levels(name: str) -> list[str]:
    """The name and all that it lies under."""
    start = name.index("://") + 3 if "://" in name else 0
    ends = [at for at in range(start + 1, len(name)) if name[at] == "/"]
    root = [] if start else ["/"]
    return [*root, *(name[:at] for at in ends), name]


def url_prefix_of(text: str) -> str:
    """`https://host/folder` in the form that `is_under_url` takes: with its port, and without a slash at its end.
    Raises `ValueError` with the problem.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"{text[:200]!r} is no URL: write https://HOST/FOLDER/") from None
    path = parts.path.rstrip("/")
    if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment or not _plain(path):
        raise ValueError(f"{text[:200]!r} is no beginning of URLs: write https://HOST/FOLDER/")
    return f"{parts.scheme}://{parts.hostname}:{port or PORTS[parts.scheme]}{path}"


def is_under_url(scheme: str, host: str, port: int | None, path: str, prefixes: Collection[str]) -> bool:
    """Whether a URL lies under one of the prefixes, folder by folder. `path` as it is sent, without the query. One that
    a server might read as another path is under none.
    """
    if not _plain(path):
        return False
    whole = f"{scheme}://{host.lower()}:{port or PORTS[scheme]}{path.rstrip('/')}"
    return any(level in prefixes for level in _levels(whole))


def _plain(path: str) -> bool:
    parts = path.strip("/").split("/")
    # An encoded slash would make two folders of one, but only on the server.
    return "//" not in path and not any(is_relative(part) or "/" in _decoded(part) for part in parts)


def _decoded(part: str) -> str:
    for _ in range(4):
        part = unquote(part)
    return part.replace("\\", "/")
