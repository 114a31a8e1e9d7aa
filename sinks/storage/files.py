"""Small files beside the tables of a store, wherever it lies."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sinks.location import Location
from sinks.storage.objects import Objects
from stream.files import make_folder, replace_file

Going = Callable[[], bool]
_LANCE, _DELTA_LOG = ".lance", "_delta_log"


class Files(Protocol):
    """Files below one place, by names that may hold slashes."""

    def read(self, name: str) -> bytes | None:
        """None where there is none."""

    def write(self, name: str, content: str) -> None:
        """Durably; whole or not at all."""

    def create(self, name: str, content: str) -> bool:
        """As `write`; False, and nothing happens, where there is one."""

    def tables(self) -> list[str]:
        """The folders directly here that hold a table of Lance or of Delta, sorted."""

    def has_table(self, name: str) -> bool:
        """Whether the Lance table in the folder `name` has a version: one that was cut off in the making has none."""

    def has_delta_table(self, name: str) -> bool:
        """Whether there is the log of a Delta table in the folder `name`."""

    def bytes_below(self, folder: str = "", suffix: str = "", going: Going = lambda: True) -> int:
        """Of all files whose names end so, as far as the walk came before `going` ended."""

    def free_bytes(self) -> int | None:
        """Of the disk under it, which need not hold the place yet; None where no disk can be full."""

    def empty(self) -> bool:
        """Whether nothing lies here."""

    def make(self) -> None:
        """Let the place be there, where places are made."""


class DirectoryFiles:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> bytes | None:
        try:
            return (self._directory / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: str) -> None:
        make_folder(self._directory)
        replace_file(self._directory / name, content)

    def create(self, name: str, content: str) -> bool:
        from filelock import FileLock

        make_folder(self._directory)
        # Locked: nothing replaces a file on the condition that there is none, whole or not at all.
        with FileLock(self._directory / f"{name.removesuffix('.json')}.lock"):
            if (self._directory / name).exists():
                return False
            replace_file(self._directory / name, content)
            return True

    def tables(self) -> list[str]:
        if not self._directory.is_dir():
            return []
        found = self._directory.iterdir()
        return sorted(path.name for path in found if path.suffix == _LANCE or (path / _DELTA_LOG).is_dir())

    def has_table(self, name: str) -> bool:
        return any((self._directory / name / "_versions").glob("*.manifest"))

    def has_delta_table(self, name: str) -> bool:
        return any((self._directory / name / _DELTA_LOG).glob("*.json"))

    def bytes_below(self, folder: str = "", suffix: str = "", going: Going = lambda: True) -> int:
        """What is removed meanwhile counts nothing."""
        total, folders = 0, [self._directory / folder]
        while folders and going():
            # Compaction removes files and folders while they are walked.
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    # Links are not followed: they may lead out of the store, or round in a circle.
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry))
                    elif entry.name.endswith(suffix):
                        with suppress(FileNotFoundError):
                            total += entry.stat(follow_symlinks=False).st_size
        return total

    def free_bytes(self) -> int | None:
        # Not there before the first start: its disk is that of a folder above.
        found = self._directory
        while not found.exists():
            found = found.parent
        return shutil.disk_usage(found).free

    def empty(self) -> bool:
        return not self._directory.is_dir()

    def make(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)


class ObjectFiles:
    """An object store keeps whole objects, durably, and has no folders."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def read(self, name: str) -> bytes | None:
        found = self._objects.get(name)
        return None if found is None else found.content

    def write(self, name: str, content: str) -> None:
        self._objects.put(name, content.encode())

    def create(self, name: str, content: str) -> bool:
        return self._objects.create(name, content.encode()) is not None

    def tables(self) -> list[str]:
        folders = self._objects.folders()
        return sorted(name for name in folders if name.endswith(_LANCE) or self._has_any(f"{name}/{_DELTA_LOG}"))

    def has_table(self, name: str) -> bool:
        return any(found.endswith(".manifest") for found, _ in self._objects.sizes(f"{name}/_versions"))

    def has_delta_table(self, name: str) -> bool:
        return any(found.endswith(".json") for found, _ in self._objects.sizes(f"{name}/{_DELTA_LOG}"))

    def _has_any(self, folder: str) -> bool:
        return next(self._objects.sizes(folder), None) is not None

    def bytes_below(self, folder: str = "", suffix: str = "", going: Going = lambda: True) -> int:
        total = 0
        for name, size in self._objects.sizes(folder):
            if not going():
                break
            total += size if name.endswith(suffix) else 0
        return total

    def free_bytes(self) -> int | None:
        return None

    def empty(self) -> bool:
        return not self._has_any("")

    def make(self) -> None:
        """A prefix needs no making."""


def files_at(location: Location) -> Files:
    path = location.path
    return ObjectFiles(Objects(location)) if path is None else DirectoryFiles(path)
