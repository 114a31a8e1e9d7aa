"""Turns a store's passing troubles (full disk, no permission, a conflict) into `Unavailable` with words to act on."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.errors import StageError, Unavailable

MIN_FREE_BYTES = 64 << 20

_PASSING = (
    ("no space left", "the disk is full"),
    ("disk quota", "the disk quota is used up"),
    ("permission denied", "it is not writable"),
    ("read-only file system", "its file system is read-only"),
    ("too many open files", "this process has too many open files"),
    ("input/output error", "the disk reports an input/output error"),
    ("lanceerror(io)", "its files cannot be read or written"),
    ("commit conflict", "another process writes to it at the same time"),
    ("concurrent", "another process writes to it at the same time"),
    ("timed out", "it did not answer in time"),
)


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
        why = _why(error)
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


def _why(error: Exception) -> str | None:
    text = str(error).lower()
    for sign, words in _PASSING:
        if sign in text:
            return words
    return type(error).__name__ if isinstance(error, OSError) else None
