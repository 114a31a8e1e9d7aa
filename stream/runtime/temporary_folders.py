"""A process's own folder for temporary files, which the next process removes should this one be killed."""

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


@contextmanager
def own_scratch() -> Iterator[Path]:
    """Inside, `TMPDIR` is a new folder under the former one, for native libraries too; it goes on leaving.

    What it holds after a `kill -9` (LanceDB builds an index in it) goes when another process enters or leaves. A folder
    is alive while its lock is held, which ends with the process. Raises `Fatal` where no folder can be made.
    """
    before = os.environ.get("TMPDIR")
    try:
        parent = Path(tempfile.gettempdir())
        _sweep(parent)
        folder, lock = _claimed(parent)
    except OSError as error:
        hint = "set TMPDIR to a folder with room"
        raise Fatal(f"no folder for temporary files: {error.strerror}; {hint}", code="no_scratch") from None
    _use(str(folder))
    try:
        yield folder
    finally:
        _use(before)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        _sweep(parent)


def _use(directory: str | None) -> None:
    tempfile.tempdir = None  # Python looks once
    if directory is None:
        os.environ.pop("TMPDIR", None)
    else:
        os.environ["TMPDIR"] = directory


def _claimed(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with suppress(BlockingIOError, FileNotFoundError):  # swept before it was locked
            lock = _locked(folder)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _sweep(parent: Path) -> None:
    """Remove the folders that no living process of this user holds."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = _locked(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder. Raises `OSError`: `BlockingIOError` where somebody else does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "another user's folder")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
