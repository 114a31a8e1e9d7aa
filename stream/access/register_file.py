"""The register of access of one machine: a file with its records, and the pepper of its keys beside it."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from stream.access.api_keys import LEAST_PEPPER_BYTES
from stream.access.records import ApiKey, Grant, Team, parsed
from stream.access.register import AccessRegister
from stream.errors import BadRequest, Fatal
from stream.files import make_folder, read_small, replace_file, sync

FILE, PEPPER = "access.json", "access.pepper"
_MOST_BYTES = 64 << 20


class RegisterFile:
    """Thread- and process-safe. A change is on disk when the call returns; readers see it at their next look."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / FILE
        self._seen: tuple[int, int, int] | None = None
        self._register = AccessRegister()

    def register(self) -> AccessRegister:
        """As it is now. Raises `Fatal` (`access_unreadable`): a register that cannot be read gives nobody anything."""
        # Before the file is read: a change in between shows at the next look.
        stamp = self._stamp()
        if stamp != self._seen:
            self._register = AccessRegister(self._records())
            self._seen = stamp
        return self._register

    def put(self, record: Team | Grant | ApiKey) -> None:
        with self._changing() as records:
            records[record.key] = record

    def exchange(self, old: Team | Grant | ApiKey, new: Team | Grant | ApiKey) -> bool:
        """Put `new` in place of `old`; whether `old` was there: else nothing is changed."""
        with self._changing() as records:
            found = records.get(old.key) == old
            if found:
                records[new.key] = new
            return found

    def take(self, key: str) -> bool:
        """Take a record away; whether there was one."""
        with self._changing() as records:
            return records.pop(key, None) is not None

    def pepper(self) -> bytes:
        """What keys are digested with; made when it is first asked for. Raises `Fatal` (`access_unreadable`)."""
        path = self._directory / PEPPER
        try:
            with self._locked():
                # Under the lock: two processes that start together must not make two peppers.
                if not path.exists():
                    _write_secret(path, secrets.token_bytes(LEAST_PEPPER_BYTES))
                found = read_small(path, most_bytes=4_096)
                others = path.stat().st_mode & 0o077
        except OSError as error:
            raise _unreadable(path, error.strerror or "an error of the disk") from None
        if others or len(found) < LEAST_PEPPER_BYTES:
            raise _unreadable(path, "others may read it" if others else "it is cut off")
        return found

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Team | Grant | ApiKey]]:
        with self._locked():
            # Read under the lock: what this process read before may be old.
            records = {record.key: record for record in self._records()}
            yield records
            listed = [records[key].model_dump(mode="json") for key in sorted(records)]
            replace_file(self._path, json.dumps(listed, indent=1))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_folder(self._directory)
        with FileLock(self._directory / f"{FILE}.lock"):
            yield

    def _records(self) -> list[Team | Grant | ApiKey]:
        try:
            listed = json.loads(read_small(self._path, most_bytes=_MOST_BYTES))
            if not isinstance(listed, list):
                raise _unreadable(self._path, "it is no list of records")
            return [parsed(json.dumps(item).encode()) for item in listed]
        # No other fault may look like an empty register, which opens a local service to everybody on
        # its machine.
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(self._path, error.strerror or "an error of the disk") from None
        except (ValueError, TypeError, BadRequest) as error:
            raise _unreadable(self._path, error.message if isinstance(error, BadRequest) else "it is no JSON") from None

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self._path, error.strerror or "an error of the disk") from None
        # A file that is replaced has another inode.
        return found.st_ino, found.st_mtime_ns, found.st_size


def _write_secret(path: Path, secret: bytes) -> None:
    # With its rights from the first moment, so that nobody else can open it in between.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def _unreadable(path: Path, why: str) -> Fatal:
    return Fatal(
        f"the register of access {path} cannot be read: {why}; nobody may do anything", code="access_unreadable"
    )
