"""Small named marks with the time when they were last renewed: in a folder, and on an object store."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sinks.location import Location
from sinks.storage.objects import Objects
from stream.clock import Clock

LOOK_S = 2.0
"""How long an object store's answer is good for: each question is a request that costs money."""


class Marks(Protocol):
    def renew(self, name: str) -> None:
        """Make the mark, or say that it still stands. Raises `OSError`, or what an object store's client raises."""

    def remove(self, name: str) -> None:
        """Idempotent; raises nothing."""

    def renewed_ms(self) -> dict[str, int]:
        """When each mark was last renewed, by the clock of who renewed it."""


class DirectoryMarks:
    """Empty files; their time is that of the last renewal."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def renew(self, name: str) -> None:
        self._folder.mkdir(exist_ok=True)
        path = self._folder / name
        path.touch()
        # By the clock that judges it, not by that of the file system.
        now_s = self._clock.now_ms() / 1000
        os.utime(path, (now_s, now_s))

    def remove(self, name: str) -> None:
        with suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)

    def renewed_ms(self) -> dict[str, int]:
        try:
            paths = list(self._folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        found = {}
        for path in paths:
            with suppress(FileNotFoundError):  # removed since the listing
                found[path.name] = round(path.stat().st_mtime * 1000)
        return found


class ObjectMarks:
    """Objects that hold the time of their last renewal. Questions and renewals that follow each other within `LOOK_S`
    are one.
    """

    def __init__(self, location: Location, clock: Clock) -> None:
        self._objects = Objects(location)
        self._clock = clock
        self._renewed_s: dict[str, float] = {}
        self._looked_s = float("-inf")
        self._found: dict[str, int] = {}

    def renew(self, name: str) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._renewed_s.get(name, float("-inf")) >= LOOK_S:
            self._objects.put(name, str(self._clock.now_ms()).encode())
            self._renewed_s[name] = now_s

    def remove(self, name: str) -> None:
        self._renewed_s.pop(name, None)
        self._found.pop(name, None)
        with suppress(Exception):  # it becomes void by itself
            self._objects.remove(name)

    def renewed_ms(self) -> dict[str, int]:
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s >= LOOK_S:
            found = {}
            for name, _ in self._objects.sizes(""):
                stored = self._objects.get(name)
                if stored is not None and stored.content.isdigit():
                    found[name] = int(stored.content)
            self._found, self._looked_s = found, now_s
        # A copy, as void marks are removed while it is gone through.
        return dict(self._found)


def marks_at(location: Location, clock: Clock) -> Marks:
    path = location.path
    return ObjectMarks(location, clock) if path is None else DirectoryMarks(path, clock)
