"""Converts the arguments of `ingest` (files, folders, URIs) into URIs of events and into roots that may be read."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from decoders.sources.uris import describe, local_path
from stream.cli.options.folders import FolderWalk
from stream.cli.options.left_out import LeftOut
from stream.errors import BadMedia
from stream.events.ids import default_asset_id, is_default_asset_id, is_name
from stream.events.spelling import canonical

MAX_URI_BYTES = 4000
"""The longest URI that an event may hold."""


@dataclass(slots=True)
class Targets:
    """`uris` in the typed order, each asset once. `roots` are the real paths that they allow to be read: typed files,
    typed folders, and the targets of links in them.
    """

    uris: list[str] = field(default_factory=list)
    roots: dict[Path, None] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)
    _assets: set[str] = field(default_factory=set)

    def take(self, uri: str) -> None:
        """Adds a URI once, in any spelling. A URI that no event may hold is reported as left out."""
        if not is_name(uri, MAX_URI_BYTES):
            reason = f"longer than an event may hold ({MAX_URI_BYTES} bytes), or with characters that no uri has"
            self.left_out.refused(uri, reason)
        # By id and not by text: one file typed in two spellings is one asset.
        elif (asset_id := default_asset_id(uri)) not in self._assets:
            self._assets.add(asset_id)
            self.uris.append(uri)

    def take_path(self, path: str) -> None:
        """Adds a path. A name that no event may hold (control characters, bytes outside UTF-8) becomes a `file` URI."""
        # A `file` URI escapes every byte.
        self.take(path if is_name(path, MAX_URI_BYTES) else Path(path).as_uri())

    def allow(self, path: str) -> None:
        # The target of a link: the policy checks what is really read.
        self.roots[Path(os.path.realpath(path))] = None


def expand(arguments: Iterable[str]) -> Targets:
    """Absolute paths and URIs. A `file` URI becomes its path. Missing files stay: their event reports the reason."""
    targets = Targets()
    for argument in arguments:
        if "://" in argument and not _is_file(argument):
            targets.take(canonical(argument))
            continue
        try:
            path = spelled(argument)
        except BadMedia as error:
            targets.left_out.refused(argument, error.message)
            continue
        targets.allow(path)
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            _walk(path, targets)
        else:
            targets.take_path(path)
    return targets


def _walk(folder: str, targets: Targets) -> None:
    walk = FolderWalk(folder, targets.left_out)
    # Listed as a whole: `followed` is complete only at the end.
    found = list(walk)
    for path in found:
        targets.take_path(path)
    for link in walk.followed:
        targets.allow(link)
    if not found:
        targets.left_out.refused(folder, "no footage is in this folder")


def spelled(argument: str) -> str:
    """The absolute path of an argument in one spelling. Links keep their names, so the typed name stays the identity of
    the file. Only `..` after a link is resolved from the link's target, as the system does it.

    Raises `BadMedia` for an empty argument and for a `file` URI without a path.
    """
    if not argument:
        raise BadMedia("an empty text is not a path; name a file, a folder or a URI", code="invalid_uri")
    typed = local_path(argument) if _is_file(argument) else Path(argument)
    with suppress(RuntimeError):  # there is no such user, so the ~ is part of a file's name
        typed = typed.expanduser()
    here = Path("/")
    for part in typed.absolute().parts[1:]:
        if part != "..":
            here /= part
        else:
            # The kernel goes up from a link's target. `normpath` would go up from its name.
            here = Path(os.path.realpath(here) if os.path.islink(here) else here).parent  # noqa: PTH114 - never raises
    return str(here)


def asset_ids(argument: str) -> list[str]:
    """The ids that `ingest` gives to an argument. An argument that is already the id of a URI stays.

    Raises `BadMedia` for an argument that `ingest` would refuse.
    """
    if "://" in argument and not _is_file(argument) and is_default_asset_id(argument):
        return [argument]
    found = expand([argument])
    for failure in found.left_out.failures:
        if not found.uris:
            raise BadMedia(f"{describe(failure.path)}: {failure.reason}", code="invalid_uri")
    return [default_asset_id(uri) for uri in found.uris]


def roots_of(paths: Iterable[Path | None]) -> tuple[Path, ...]:
    """The roots that these paths allow: the files themselves, wherever their links lead."""
    return tuple(dict.fromkeys(Path(os.path.realpath(path)) for path in paths if path is not None))


def lies_under(asset_id: str, folder: str) -> bool:
    """Whether an id names a path in this folder. The path need not exist any more."""
    # With the slash, so that `/a/bc` does not lie under `/a/b`.
    return asset_id.startswith((f"{folder.rstrip('/')}/", f"{Path(folder).as_uri().rstrip('/')}/"))


def _is_file(argument: str) -> bool:
    return argument.lower().startswith("file://")
