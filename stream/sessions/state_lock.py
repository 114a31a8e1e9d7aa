"""The lock of a state directory, which one process holds at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stream.errors import Fatal, Unavailable

LOCK_FILE = "rushes.lock"


@contextmanager
def state_lock(directory: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a state directory alone. `wait_s`: for another process. Raises `Unavailable` (`state_locked`) or `Fatal`
    (`state_unwritable`).
    """
    lock = FileLock(directory / LOCK_FILE)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise Unavailable(
            f"another rushes process works on {directory}; wait for it, or use another --state", code="state_locked"
        ) from None
    except OSError as error:
        raise Fatal(
            f"the state directory {directory} cannot be written ({error.strerror}); choose another with --state",
            code="state_unwritable",
        ) from None
    try:
        yield
    finally:
        lock.release()
