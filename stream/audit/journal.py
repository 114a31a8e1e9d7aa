"""The trail of one writer: an event is in the chain and on disk before `append` returns."""

import errno
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from stream.audit import entry
from stream.audit.checkpoint import Checkpoint, SigningKey
from stream.audit.entry import Entry, Head
from stream.audit.files import (
    CHECKPOINTS,
    LOCK,
    MOST_LINE_BYTES,
    Beginning,
    event_files,
    file_name,
    lines_of,
    notes_end,
)
from stream.audit.merkle import Tree
from stream.errors import Fatal, Unavailable
from stream.files import Sync, make_folder, sync

FILE_BYTES = 1 << 20
"""A start reads one file whole; 1 MiB holds about a thousand events."""


@dataclass(slots=True)
class _Added:
    """An event on its way to the disk, and what became of it."""

    entry: Entry
    written: bool = False
    refused: OSError | None = None

    @property
    def over(self) -> bool:
        return self.written or self.refused is not None


class Journal:
    """Thread-safe; of one process, which holds the lock of `directory` while it is open. Concurrent appends share a
    sync. `key` signs checkpoints, and its name is their origin. `file_bytes`: a file that is longer is followed by
    another.
    """

    def __init__(self, directory: Path, key: SigningKey, *, sync: Sync = sync, file_bytes: int = FILE_BYTES) -> None:
        self._directory = directory
        self._key = key
        self._sync = sync
        self._file_bytes = file_bytes
        self._lock = FileLock(directory / LOCK)
        self._adding = threading.Lock()  # of what is added, and not yet on disk
        self._writing = threading.Lock()  # of the file, and of what is on disk
        self._waiting: list[_Added] = []
        self._newest = Head()
        self._durable = Head()
        self._tree = Tree()
        self._chain_uid = ""
        self._path = directory / file_name(0)
        self._length = 0
        self._broken = False
        self._signed: tuple[int, bytes] | None = None
        self._left: tuple[str, int, int, int] | None = None

    def open(self, *, wait_s: float = 0.0) -> None:
        """Become the writer, and take back what a kill left half written. `wait_s`: for another writer.

        Raises `Unavailable` (`audit_unavailable`) where another process is the writer or the disk refuses, `Fatal`
        (`audit_damaged`) where the end of the trail cannot be continued.
        """
        try:
            make_folder(self._directory, self._sync)
            self._lock.acquire(timeout=wait_s)
            files = event_files(self._directory)
            if self._left is not None and files and self._left == _state_of(files[-1]):
                pass  # nobody has written since this one was closed
            elif files:
                self._recover(files)
            else:
                self._begin(Beginning(self._new_chain(), Head(), Tree()))
            kept = self._directory / CHECKPOINTS
            # The next note must not follow half a note that a kill left.
            if kept.exists():
                self._cut(kept, notes_end(kept))
        # Before `OSError`, of which filelock's `Timeout` is a subclass.
        except Timeout:
            raise Unavailable(
                f"another process writes the audit trail in {self._directory}: give each process one of its own",
                code="audit_unavailable",
            ) from None
        except OSError as error:
            self._lock.release()
            raise self._unavailable(error) from None
        except ValueError as error:
            self._lock.release()
            raise Fatal(
                f"the audit trail in {self._directory} cannot be continued: {error}. `rushes audit verify` says where;"
                " keep it as evidence, and begin another in a new directory",
                code="audit_damaged",
            ) from None
        self._newest, self._broken = self._durable, False

    def close(self) -> None:
        """Idempotent."""
        if self._lock.is_locked:
            with suppress(OSError):
                self._left = None if self._broken else _state_of(self._path)
        self._lock.release()

    @property
    def chain_uid(self) -> str:
        return self._chain_uid

    def append(self, event: Mapping[str, Any]) -> Head:
        """Where the event stands, once it is on disk. It needs `metadata.uid` and `type_uid`. Raises `Unavailable`
        (`audit_unavailable`) where it cannot be written: then it is not in the trail, and what it speaks of may not
        happen.
        """
        added = self._add(event)
        with self._writing:
            # Who waited for the one before finds its own event written, or refused, with that one's.
            if not added.over:
                self._write()
        if added.refused is not None:
            raise self._unavailable(added.refused) from None
        return added.entry.head

    def checkpoint(self) -> bytes:
        """A signed note of all that is on disk; it is kept beside the events, once for as long as none is added. Raises
        `Unavailable` (`audit_unavailable`).
        """
        with self._writing:
            if self._signed is not None and self._signed[0] == self._tree.size:
                return self._signed[1]
            # While nobody writes, so that size and root are of one tree.
            note = self._key.sign(Checkpoint(self._key.name, self._tree.size, self._tree.root()))
            path = self._directory / CHECKPOINTS
            try:
                new = not path.exists()
                with path.open("ab") as file:
                    file.write(note + b"\n")
                self._sync(path)
                # The name of a new file is durable only when its directory is synced.
                if new:
                    self._sync(self._directory)
            except OSError as error:
                raise self._unavailable(error) from None
            self._signed = (self._tree.size, note)
            return note

    def _add(self, event: Mapping[str, Any]) -> "_Added":
        with self._adding:
            added = _Added(entry.sealed(event, self._chain_uid, self._newest))
            # Readers take lines up to this length: a longer one would look cut off to them.
            if len(added.entry.line) >= MOST_LINE_BYTES:
                raise ValueError(f"an audit event of {len(added.entry.line)} bytes: the most is {MOST_LINE_BYTES}")
            self._waiting.append(added)
            self._newest = added.entry.head
            return added

    def _write(self) -> None:
        """Everything that was added, with one sync."""
        with self._adding:
            batch, self._waiting = self._waiting, []
        try:
            self._mend()
            self._put(b"".join(added.entry.line + b"\n" for added in batch))
        except OSError as error:
            self._broken = True
            # Now, as readers take a whole line for an event; where that fails, before the next write.
            with suppress(OSError):
                self._mend()
            with self._adding:
                # What was added meanwhile stands behind what is not there.
                batch, self._waiting = batch + self._waiting, []
                self._newest = self._durable
            for added in batch:
                added.refused = error
            return
        for added in batch:
            # Only after the sync: a checkpoint must not cover what is not on disk.
            self._tree.append(added.entry.line)
            self._durable = added.entry.head
            added.written = True

    def _mend(self) -> None:
        """Take back what a write that failed has left: the next event must not follow it."""
        if self._broken:
            self._cut(self._path, self._length)
            self._broken = False

    def _put(self, lines: bytes) -> None:
        if self._length > self._file_bytes:
            self._begin(Beginning(self._chain_uid, self._durable, self._tree))
        # Without a buffer, so that a short write shows here.
        with self._path.open("ab", buffering=0) as file:
            if file.write(lines) != len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._sync(self._path)
        # After the sync: the next write cuts off what lies beyond this length.
        self._length += len(lines)

    def _begin(self, beginning: Beginning) -> None:
        """A new file."""
        path = self._directory / file_name(beginning.head.sequence + 1)
        line = beginning.line() + b"\n"
        # Written anew, as an attempt that failed may have left a part.
        path.write_bytes(line)
        self._sync(path)
        self._sync(self._directory)
        self._path, self._length, self._chain_uid = path, len(line), beginning.chain_uid

    def _new_chain(self) -> str:
        return f"{self._key.name}/{uuid4()}"

    def _recover(self, files: Sequence[Path]) -> None:
        """Go on after the last whole line. A file whose first line was cut off has no events yet."""
        for path in reversed(files):
            lines = lines_of(path)
            if (first := next(lines, b"")).endswith(b"\n"):
                break
            path.unlink()
        else:  # killed in its first start
            self._begin(Beginning(self._new_chain(), Head(), Tree()))
            return
        beginning = Beginning.read(first[:-1])
        self._path, self._chain_uid = path, beginning.chain_uid
        self._durable, self._tree, self._length = beginning.head, beginning.tree, len(first)
        for line in lines:
            # Its `append` did not return before the kill, so nothing was admitted by it.
            if not line.endswith(b"\n"):
                break
            self._follow(entry.read(line[:-1]))
            self._length += len(line)
        self._cut(path, self._length)

    def _follow(self, item: Entry) -> None:
        if item.head.sequence != self._durable.sequence + 1:
            raise ValueError(f"event {item.head.sequence} stands behind event {self._durable.sequence}")
        self._durable = item.head
        self._tree.append(item.line)

    def _cut(self, path: Path, length: int) -> None:
        with path.open("r+b") as file:
            file.truncate(length)
        self._sync(path)

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"the audit trail in {self._directory} cannot be written ({error.strerror}): nothing is answered until it"
            " can; free the disk or correct its rights",
            code="audit_unavailable",
        )


def _state_of(path: Path) -> tuple[str, int, int, int]:
    """What is another one whenever a file was written, or made anew. Raises `OSError`."""
    found = path.stat()
    return path.name, found.st_ino, found.st_size, found.st_mtime_ns
