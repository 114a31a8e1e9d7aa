"""Files of this machine: state that is replaced as a whole or not at all, and small files that people name."""

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MAX_SMALL_BYTES = 1 << 20

Sync = Callable[[Path], None]
"""Make a file, or the names in a folder, outlive a power cut. Gone meanwhile is no error."""


def sync(path: Path) -> None:
    """The `Sync` of this machine. Raises `OSError`, but not where a file system cannot sync folders."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path, sync_with: Sync = sync) -> None:
    """With those above it that are missing; all of them outlive a power cut. Raises `OSError`."""
    if not path.is_dir():
        make_folder(path.parent, sync_with)
        path.mkdir(exist_ok=True)
        sync_with(path.parent)


def replace_file(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Durably replace the content of `path`; text is written as UTF-8. After a crash or on a full disk the old file is
    still whole. The file has `mode` less what the process masks. Raises `OSError`; leaves no temporary file then.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        # With its mode from the start: whoever opened it before a change of mode could go on reading.
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            # Before the rename: otherwise a crash could leave the new name with no content.
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
    with suppress(OSError):
        sync(path.parent)


def read_small(path: Path, *, most_bytes: int = MAX_SMALL_BYTES) -> bytes:
    """The bytes of a file or a pipe. A pipe without a writer gives none, as waiting for one may never end.

    Raises `OSError`: also for more than `most_bytes` (EFBIG), and for devices (ENXIO), which may not end.
    """
    # `O_NONBLOCK`: opening a pipe without a writer would block. Reading from one with a writer may block again.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(kind) and not stat.S_ISFIFO(kind):
            raise OSError(errno.ENXIO, "neither a file nor a pipe", str(path))
        os.set_blocking(descriptor, True)
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"longer than {most_bytes >> 10} KiB", str(path))
    return data


def expanded(path: str) -> Path:
    """The path with `~` and `~user` replaced by a home, where that user exists; else the path as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
