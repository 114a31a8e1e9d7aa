"""The files of uploads: parts as they come, then whole files in the folder of their tenant, or objects of a store."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sinks.location import Location
from stream.errors import Unavailable
from stream.files import make_folder, sync
from stream.pipelines.upload_places import upload_folder
from stream.service.problems import Problem
from stream.service.uploads.tus import Checksum

_PIECE_BYTES = 1 << 20


class PartFile:
    """An upload on its way in, which nobody else writes. Raises `Problem` (507) where the disk is full."""

    def __init__(self, descriptor: int, offset: int, *, digested: bool) -> None:
        self._descriptor = descriptor
        self.offset = offset
        self._digest = hashlib.sha256() if digested else None
        if os.fstat(descriptor).st_size < offset:
            raise Unavailable("an upload is shorter than it was: send it as a new one", code="uploads_unavailable")
        # What was written and did not count: of a killed process, or with another checksum.
        os.ftruncate(descriptor, offset)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                count = os.pwrite(self._descriptor, view, self.offset)
                if self._digest is not None:
                    self._digest.update(view[:count])
                self.offset += count
                view = view[count:]
        except OSError as error:
            raise _problem(error) from None

    def keep(self) -> int:
        """How many bytes of it outlive a power cut now: all that were written."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise _problem(error) from None
        return self.offset

    def matches(self, checksum: Checksum) -> bool:
        """Whether what was written here has it."""
        return self._digest is not None and self._digest.digest() == checksum.digest


class Spool:
    """`parts`: a directory of this machine, where nothing is read from; `whole`: where workers read."""

    def __init__(self, parts: Path, whole: Location, min_free_bytes: int) -> None:
        self._parts = parts
        self._whole = whole
        self._min_free_bytes = min_free_bytes
        make_folder(parts)

    def require_room(self, size_bytes: int) -> None:
        """Raises `Problem` (507)."""
        if shutil.disk_usage(self._parts).free - self._min_free_bytes < size_bytes:
            raise no_room()

    def begin(self, upload_id: str) -> None:
        try:
            os.close(os.open(self._part(upload_id), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
            sync(self._parts)
        except OSError as error:
            raise _problem(error) from None

    @contextmanager
    def part(self, upload_id: str, offset: int, *, digested: bool) -> Iterator[PartFile]:
        """From `offset` on. Raises `Problem` (409) while another request writes it, and 404 where it has gone."""
        try:
            descriptor = os.open(self._part(upload_id), os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _problem(error) from None
        try:
            # Of the file and not of this process: several services may share the folder.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield PartFile(descriptor, offset, digested=digested)
        except BlockingIOError:
            raise Problem(409, "Another request sends this upload now.", code="upload_busy") from None
        finally:
            os.close(descriptor)

    def has(self, upload_id: str, checksum: Checksum) -> bool:
        """Whether the whole part, as it is on disk, has the checksum."""
        digest = hashlib.sha256()
        with self._part(upload_id).open("rb") as file:
            while data := file.read(_PIECE_BYTES):
                digest.update(data)
        return digest.digest() == checksum.digest

    def is_part(self, upload_id: str) -> bool:
        return self._part(upload_id).exists()

    def uri(self, upload_id: str, tenant: str) -> str:
        """Where the whole file lies."""
        return upload_folder(self._whole, tenant).child(upload_id).uri

    def store(self, upload_id: str, tenant: str) -> None:
        """Make a whole file of the part, durably. It may have been made before. Raises `Unavailable`."""
        folder, part = upload_folder(self._whole, tenant), self._part(upload_id)
        if not part.exists():
            return
        if folder.path is None:
            from sinks.storage.objects import Objects

            Objects(folder).put_file(upload_id, part)
            part.unlink()
            return
        try:
            make_folder(folder.path)
            # Whole under its name or not there: decoders never see a part.
            with suppress(FileNotFoundError):  # another process has just done it
                part.rename(folder.path / upload_id)
            sync(folder.path)
        except OSError as error:
            raise Unavailable(
                f"an upload cannot be moved to {folder} ({error.strerror})", code="uploads_unavailable"
            ) from None

    def remove(self, upload_id: str) -> None:
        """Its part; it may be gone."""
        with suppress(FileNotFoundError):
            self._part(upload_id).unlink()

    def discard(self, upload_id: str, tenant: str | None = None) -> None:
        """Its part, and the whole file of `tenant`; they may be gone. Raises `Unavailable`."""
        folder = None if tenant is None else upload_folder(self._whole, tenant)
        try:
            self.remove(upload_id)
            if folder is not None and folder.path is not None:
                (folder.path / upload_id).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"an upload cannot be removed ({error.strerror})", code="uploads_unavailable") from None
        if folder is not None and folder.path is None:
            from sinks.storage.objects import Objects

            Objects(folder).remove(upload_id)

    def _part(self, upload_id: str) -> Path:
        return self._parts / f"{upload_id}.part"


def no_room() -> Problem:
    return Problem(507, "The disk of the service has no room for this upload.", code="no_room_for_upload")


def _problem(error: OSError) -> Exception:
    if isinstance(error, BlockingIOError):
        return error
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return no_room()
    if isinstance(error, FileNotFoundError):
        return Problem(404, "There is no such thing.", code="no_such_thing")
    return Unavailable(f"an upload cannot be written ({error.strerror})", code="uploads_unavailable")
