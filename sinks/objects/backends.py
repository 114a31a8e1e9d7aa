"""The two kinds of places for objects: a directory, and an object store. Names hold slashes."""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from sinks.location import Location, Place
from sinks.storage.objects import Objects as Bucket
from sinks.store_errors import guarded, require_space
from stream.files import make_folder, sync

_WHAT = "the store of objects"
_SPARE_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 20
_TRIES = 3
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.new")


class Backend(Protocol):
    """Whole objects by name. Raises `Unavailable` (`store_unavailable`, `disk_full`)."""

    def put_file(self, name: str, path: Path) -> None:
        """Durable and whole when it returns; whatever was there is replaced."""

    def put(self, name: str, content: bytes) -> None: ...

    def create(self, name: str, content: bytes) -> bool:
        """As `put`; False, and nothing happens, where there is one."""

    def get(self, name: str) -> bytes | None: ...

    def local(self, name: str, scratch: Path) -> Path | None:
        """A local file with the object's bytes, below `scratch` where it had to be copied; None where it is gone."""

    def at(self, name: str) -> Path | None:
        """Where an object lies as a file already; None where it would have to be copied."""

    def size(self, name: str) -> int | None:
        """None where there is none."""

    def remove(self, name: str) -> None:
        """Idempotent."""

    def names(self, under: str) -> Iterator[tuple[str, int]]:
        """Names and sizes of all objects below a folder."""

    def listed(self, under: str) -> Iterator[tuple[str, int, int]]:
        """As `names`, with the time of writing in ms."""

    def folders(self, under: str) -> list[str]:
        """Names of the folders directly in a folder, in order."""

    def tidy(self, under: str) -> None:
        """Remove what processes that were killed left unfinished below a folder."""


class DirectoryBackend:
    """Files below a directory; written beside their place, synced, then renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put_file(self, name: str, path: Path) -> None:
        def fill(file: BinaryIO) -> None:
            with path.open("rb") as source:
                shutil.copyfileobj(source, file, _BLOCK_BYTES)

        with guarded(self._root, _WHAT):
            self._write(name, path.stat().st_size, fill)

    def put(self, name: str, content: bytes) -> None:
        with guarded(self._root, _WHAT):
            self._write(name, len(content), lambda file: file.write(content))

    def create(self, name: str, content: bytes) -> bool:
        with guarded(self._root, _WHAT):
            try:
                # Unlike a rename, a link never takes the place of a file that somebody made meanwhile.
                self._write(name, len(content), lambda file: file.write(content), os.link)
            except FileExistsError:
                return False
            return True

    def get(self, name: str) -> bytes | None:
        with guarded(self._root, _WHAT):
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None

    def local(self, name: str, scratch: Path) -> Path | None:  # noqa: ARG002 - it is local already
        path = self._root / name
        return path if path.is_file() else None

    def at(self, name: str) -> Path | None:
        return self._root / name

    def size(self, name: str) -> int | None:
        with guarded(self._root, _WHAT):
            try:
                return (self._root / name).stat().st_size
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        with guarded(self._root, _WHAT):
            (self._root / name).unlink(missing_ok=True)

    def names(self, under: str) -> Iterator[tuple[str, int]]:
        return ((name, size) for name, size, _ in self.listed(under))

    def listed(self, under: str) -> Iterator[tuple[str, int, int]]:
        with guarded(self._root, _WHAT):
            for folder, _, files in os.walk(self._root / under):
                for file in sorted(files):
                    path = Path(folder, file)
                    # Unfinished files of a process that was killed begin with a dot.
                    if not file.startswith("."):
                        with suppress(FileNotFoundError):
                            found = path.stat()
                            yield str(path.relative_to(self._root)), found.st_size, found.st_mtime_ns // 1_000_000

    def tidy(self, under: str) -> None:
        with guarded(self._root, _WHAT):
            for folder, _, files in os.walk(self._root / under):
                for file in files:
                    if _UNFINISHED.fullmatch(file):
                        _remove_unless_held(Path(folder, file))

    def folders(self, under: str) -> list[str]:
        with guarded(self._root, _WHAT):
            try:
                with os.scandir(self._root / under) as found:
                    return sorted(each.name for each in found if each.is_dir())
            except FileNotFoundError:
                return []

    def _write(
        self,
        name: str,
        size: int,
        fill: Callable[[BinaryIO], object],
        settle: Callable[[Path, Path], object] = os.replace,
    ) -> None:
        require_space(self._place(), size + _SPARE_BYTES)
        place = self._root / name
        for left in reversed(range(_TRIES)):
            make_folder(place.parent)
            fresh = place.with_name(f".{secrets.token_hex(8)}.new")
            try:
                _filled(fresh, place, fill, settle)
            except FileNotFoundError:
                # Whoever tidies may have come between the making of the file and its lock.
                if not left:
                    raise
            else:
                sync(place.parent)
                return
            finally:
                fresh.unlink(missing_ok=True)

    def _place(self) -> Path:
        make_folder(self._root)
        return self._root


class BucketBackend:
    """Objects below a place such as `s3://bucket/prefix`."""

    def __init__(self, location: Location) -> None:
        self._bucket = Bucket(location)

    def put_file(self, name: str, path: Path) -> None:
        self._bucket.put_file(name, path)

    def put(self, name: str, content: bytes) -> None:
        self._bucket.put(name, content)

    def create(self, name: str, content: bytes) -> bool:
        return self._bucket.create(name, content) is not None

    def get(self, name: str) -> bytes | None:
        found = self._bucket.get(name)
        return None if found is None else found.content

    def local(self, name: str, scratch: Path) -> Path | None:
        path = scratch / secrets.token_hex(8)
        return path if self._bucket.fetch(name, path) else None

    def at(self, name: str) -> Path | None:  # noqa: ARG002 - never here
        return None

    def size(self, name: str) -> int | None:
        return self._bucket.size(name)

    def remove(self, name: str) -> None:
        self._bucket.remove(name)

    def names(self, under: str) -> Iterator[tuple[str, int]]:
        return self._bucket.sizes(under)

    def listed(self, under: str) -> Iterator[tuple[str, int, int]]:
        return self._bucket.listed(under)

    def folders(self, under: str) -> list[str]:
        return self._bucket.folders(under)

    def tidy(self, under: str) -> None:
        """Does nothing: an upload that was cut off is no object, and a rule of the bucket ends it."""


def backend_at(place: Place) -> Backend:
    """Raises `Fatal` (`unusable_path`) for a URI at which nothing can lie."""
    location = Location.of(place)
    path = location.path
    return BucketBackend(location) if path is None else DirectoryBackend(path)


def _filled(
    fresh: Path, place: Path, fill: Callable[[BinaryIO], object], settle: Callable[[Path, Path], object]
) -> None:
    with fresh.open("xb") as file:
        # Held while it is written: who tidies knows by it what a killed process has left. Not every file system has it.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fill(file)
        # The content before the name: a crash never leaves a name with half of its content.
        file.flush()
        os.fsync(file.fileno())
        fresh.chmod(0o444)
        settle(fresh, place)


def _remove_unless_held(path: Path) -> None:
    with suppress(FileNotFoundError, PermissionError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it is held, or this file system does not tell
            return
        path.unlink(missing_ok=True)
