"""Who reads the tables of a directory right now, so that versions go when their readers have gone (file locks)."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sinks.location import Location
from stream.clock import Clock

FILE = "readers.lock"
_NEXT = "readers.lock.next"
LEASE_S = 30.0
"""How long a reader is waited for. One that reads on in an old version then opens the tables anew."""
_LOOK_S = 0.02


def admit_readers(location: Location) -> None:
    """For the writer: let readers say that they read. On a full disk they have no lease, and the writer starts."""
    if location.path is not None:
        with suppress(OSError):
            (location.path / FILE).touch()


class VersionLease:
    """A reader's hold on the versions that it sees. The system ends it with its process.

    There is none where the writer admitted no readers, on an object store, and where the file may not be read.
    """

    def __init__(self, location: Location) -> None:
        self._path = None if location.path is None else location.path / FILE

    @contextmanager
    def held(self) -> Iterator[None]:
        """While one question is answered: later ones begin with versions of their own."""
        with ExitStack() as held:
            # Who gets no lease reads all the same: where a version goes, the tables are opened anew.
            with suppress(OSError):
                if self._path is not None:
                    # Opened each time: a writer that waits for readers puts another file in its place.
                    descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                    held.callback(os.close, descriptor)
                    fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield


def await_readers(location: Location, clock: Clock) -> bool:
    """Return when everybody has gone who was reading, or after `LEASE_S`; whether they have. Whoever begins meanwhile
    reads the newest versions and is not waited for.
    """
    if location.path is None:
        return True
    try:
        descriptor = _replaced(location.path)
    except OSError:
        return False  # who removes files may be making room for one
    end_s = clock.monotonic_s() + LEASE_S
    try:
        while not _alone(descriptor):
            if clock.monotonic_s() >= end_s:
                return False
            clock.sleep(_LOOK_S)
        return True
    finally:
        os.close(descriptor)


def _replaced(folder: Path) -> int:
    """The file that readers hold, in place of which later ones find another."""
    descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        (folder / _NEXT).touch()
        (folder / _NEXT).replace(folder / FILE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # without locks nobody can be waited for
    return True
