"""Local files: resolves the path, checks it against the roots, opens it, and checks the open file again."""

import errno
import os
import stat
from collections.abc import Collection
from pathlib import Path

from decoders.sources.seekable import Seekable
from stream.errors import BadMedia, Retryable
from stream.events.asset import SourceVersion

_ABSENT = (
    "no such file under the allowed roots; check the path, publish it when it exists, or allow its folder (--root of"
    " the workers, --source of the tenant)"
)
"""One message for missing and for forbidden files: an event must not find out what exists outside the roots."""
_REASONS = {
    errno.ENOENT: ("not_found", _ABSENT),
    errno.ENOTDIR: ("not_found", _ABSENT),
    errno.EACCES: ("permission_denied", "permission denied; let this user read it"),
    errno.EPERM: ("permission_denied", "permission denied; let this user read it"),
    errno.ELOOP: ("not_found", "a loop of symbolic links; publish the real path"),
    errno.ENAMETOOLONG: ("invalid_uri", "the path is too long"),
    errno.EISDIR: ("is_directory", "is a directory; publish the files in it"),
    errno.ENXIO: ("not_a_file", "is not a regular file; publish a regular file"),
}


class DescriptorReader(Seekable):
    """Reads an open file at its own position, independent of other readers of the descriptor."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._descriptor = descriptor

    def read(self, size: int = -1) -> bytes:
        wanted = size if size >= 0 else max(0, self._size_bytes - self._position)
        # `pread` has no shared position: parent and child use the same open file.
        data = os.pread(self._descriptor, wanted, self._position)
        self._position += len(data)
        return data


class FileSource:
    """A regular, non-empty file under one of the roots. Everything outside the roots counts as missing. `version` reads
    the path again, so it notices a change. Raises `BadMedia` and `Retryable`.
    """

    def __init__(self, path: Path, roots: Collection[str], name: str | None = None) -> None:
        """`roots` are real paths. The check costs one lookup per level of the path, for any number of roots. `name`
        replaces the path in messages.
        """
        self._name = name or path.name or str(path)
        self._roots = roots
        try:
            self._path = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            # The roots are checked even for a path that does not resolve: the error must not tell what exists.
            self._check_roots(Path(os.path.realpath(path)))
            raise self._error(error) from None
        # Checked by the real path, so that no link leads out of the roots.
        self._check_roots(self._path)
        self._fd = self._open()
        try:
            self._check_opened()
        except BaseException:
            os.close(self._fd)
            raise
        self._closed = False
        # The size of the opened file. Bytes that are appended later belong to another version.
        self._reader = DescriptorReader(self._fd, os.fstat(self._fd).st_size)

    @property
    def version(self) -> SourceVersion:
        if os.path.realpath(self._path) != str(self._path):  # a link replaced it, and may lead outside the roots
            return SourceVersion(size_bytes=0, tag="moved")
        try:
            return _version(self._path.lstat())
        except OSError as error:
            raise self._error(error) from None

    def fileno(self) -> int:
        """The descriptor, open for reading only."""
        return self._fd

    def read(self, size: int = -1) -> bytes:
        try:
            return self._reader.read(size)
        except OSError as error:
            raise self._error(error) from None

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._fd)

    def _open(self) -> int:
        try:
            # Without O_NONBLOCK, opening a fifo that has no writer would block for ever.
            return os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
        except OSError as error:
            raise self._error(error) from None

    def _check_opened(self) -> None:
        found = os.fstat(self._fd)
        if stat.S_ISDIR(found.st_mode):
            raise BadMedia(f"{self._name}: is a directory; publish the files in it", code="is_directory")
        if not stat.S_ISREG(found.st_mode):
            raise BadMedia(f"{self._name}: is not a regular file; publish a regular file", code="not_a_file")
        if found.st_size == 0:
            raise BadMedia(f"{self._name}: the file is empty; publish it when it is written", code="empty")
        link = Path(f"/proc/self/fd/{self._fd}")
        if link.exists():  # since the path was resolved, one of its folders may have become a symbolic link
            self._check_roots(link.readlink())

    def _check_roots(self, path: Path) -> None:
        if not any(str(place) in self._roots for place in (path, *path.parents)):
            raise self._error(FileNotFoundError(errno.ENOENT, ""))

    def _error(self, error: Exception) -> BadMedia | Retryable:
        number = error.errno if isinstance(error, OSError) and error.errno else errno.ELOOP
        if number in _REASONS:
            code, reason = _REASONS[number]
            return BadMedia(f"{self._name}: {reason}", code=code)
        return Retryable(
            f"{self._name}: reading failed ({errno.errorcode.get(number, number)}); check the disk or the mount",
            code="read_failed",
        )


def _version(found: os.stat_result) -> SourceVersion:
    # Inode and time: a file that is replaced by one of the same size has another tag.
    return SourceVersion(size_bytes=found.st_size, tag=f"{found.st_ino:x}-{found.st_mtime_ns:x}")
