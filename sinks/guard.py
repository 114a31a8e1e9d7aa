"""Turns a store's passing troubles (full disk, no permission, a conflict) into `Unavailable` with words to act on."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.errors import StageError, Unavailable

MIN_FREE_BYTES = 64 << 20
_PROBE_BYTES = 1 << 20

_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file may not grow any further",
    errno.EACCES: "it is not writable",
    errno.EPERM: "it is not writable",
    errno.EROFS: "its file system is read-only",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
    errno.EIO: "the disk reports an input/output error",
    errno.ENOTDIR: "it is not a directory",
}
_SIGNS = {os.strerror(number).lower(): words for number, words in _WORDS.items()} | {
    "disk quota": "the disk quota is used up",
    "lanceerror(io)": "its files cannot be read or written",
    "commit conflict": "another process writes to it at the same time",
    "_delta_log/": "its log cannot be read (another process may be tidying it; `rushes verify` tells if it stays so)",
    "concurrent": "another process writes to it at the same time",
    "timed out": "it did not answer in time",
}
"""The stores wrap the system's errors in their own: what the system calls them, and what only they can say."""


@contextmanager
def guarded(directory: Path, store: str) -> Iterator[None]:
    """Raises `Unavailable` (code `store_unavailable`) for what passes by itself or by an operator's hand: the batch
    stays unacknowledged and is written later. Anything else is a defect and passes through.
    """
    try:
        yield
    except StageError:
        raise
    except Exception as error:
        why = _why(error, directory)
        if why is None:
            raise
        message = f"{store} at {directory} cannot be used: {why}; nothing is lost, writing resumes when that is mended"
        raise Unavailable(message, code="store_unavailable") from error


def require_space(directory: Path, min_free_bytes: int) -> None:
    """Raises `Unavailable` (code `disk_full`) before a write would leave less than `min_free_bytes` free."""
    free = shutil.disk_usage(directory).free
    if free < min_free_bytes:
        message = f"only {free >> 20} MiB are free under {directory}, {min_free_bytes >> 20} MiB are needed: make room"
        raise Unavailable(message, code="disk_full")


def _why(error: Exception, directory: Path) -> str | None:
    """The system's own error, else what the disk says when it is asked, else what the store's words admit."""
    if isinstance(error, OSError):
        return _WORDS.get(error.errno or 0) or _said(error) or type(error).__name__
    return _refusal(directory) or _said(error)


def _refusal(directory: Path) -> str | None:
    """Why the directory takes no file of 1 MiB; None where it does. The file has no name and leaves nothing."""
    try:
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return _WORDS.get(error.errno or 0, type(error).__name__)
    return None


def _said(error: Exception) -> str | None:
    text = str(error).lower()
    return next((words for sign, words in _SIGNS.items() if sign in text), None)
