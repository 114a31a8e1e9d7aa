"""A process's own folder for temporary files. If the process is killed, the next process removes the folder."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stream.errors import Fatal

PREFIX = "rushes-scratch-"
_HINT = "set TMPDIR to a folder with room"


@contextmanager
def own_scratch() -> Iterator[Path]:
    """Inside, `TMPDIR` is a new folder under the former one, for native libraries too. It is removed at the end.

    After a `kill -9`, another process removes its content (LanceDB builds an index in it) when it enters or leaves. A
    folder is in use while its lock is held, and the lock ends with the process. Raises `Fatal` (`no_scratch`) where no
    folder can be made.
    """
    before = os.environ.get("TMPDIR")
    try:
        parent = Path(tempfile.gettempdir())
    except OSError as error:  # none of those that are looked into can be written
        raise _no_scratch(error, _HINT) from None
    with folder_below(parent, hint=_HINT) as folder:
        _use(str(folder))
        try:
            yield folder
        finally:
            _use(before)


@contextmanager
def folder_below(parent: Path, *, hint: str) -> Iterator[Path]:
    """A new folder below one that processes share, removed at the end; those of killed processes go when it is entered
    and left. Raises `Fatal` (`no_scratch`), which ends with `hint`.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        folder, lock = _claimed(parent)
    except OSError as error:
        raise _no_scratch(error, hint) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        _sweep(parent)


def _no_scratch(error: OSError, hint: str) -> Fatal:
    return Fatal(f"no folder for temporary files: {error.strerror}; {hint}", code="no_scratch")


def _use(directory: str | None) -> None:
    tempfile.tempdir = None  # Python caches TMPDIR here
    if directory is None:
        os.environ.pop("TMPDIR", None)
    else:
        os.environ["TMPDIR"] = directory


def _claimed(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with suppress(BlockingIOError, FileNotFoundError):  # another process removed it before it was locked
            lock = _locked(folder)
            # Locked, but perhaps already removed: a lock outlives the name of its folder.
            if folder.exists():
                return folder, lock
            os.close(lock)


def _sweep(parent: Path) -> None:
    """Removes the folders that no living process of this user holds."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = _locked(folder)
            # The lock is held while removing: a second sweep leaves the folder alone.
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int:
    """A descriptor that locks the folder. Raises `OSError`; `BlockingIOError` where another process holds it."""
    # `O_NOFOLLOW`: the parent is often `/tmp`, where others may place links.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        # Another user's folder is not ours to remove, even where the rights would allow it.
        if os.fstat(descriptor).st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "another user's folder")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
