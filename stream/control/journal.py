"""The control plane's entries of an embedded deployment: an append-only file, joined when it is read.

It is for usage, which outlives assets. It holds a digest of each asset, so that it never names a deleted one.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from stream.control.state import Entry, entries_of, is_name, joined
from stream.events.base import Payload
from stream.events.ids import digest
from stream.events.progress import PartReport, progress_of
from stream.files import Sync, sync

_log = logging.getLogger(__name__)


class UsageJournal:
    """One writer (the holder of the state directory), any number of readers. kill -9 loses only what was not yet
    `add`ed.

    A line is the key in hexadecimal and the value. A line that was cut off has lower numbers or none; a join ignores
    it.
    """

    def __init__(self, path: Path, sync: Sync = sync) -> None:
        self._path = path
        self._sync = sync
        self._table: dict[bytes, bytes] = {}
        self._unwritten: list[Entry] = []

    def add(self, payloads: Iterable[Payload]) -> None:
        """Append new entries. If the disk is full, the next call tries again."""
        for payload in payloads:
            if (report := progress_of(payload)) is not None:
                for key, value in entries_of(_nameless(report), self._table.get):
                    # The file outlives assets, so names stay out of it.
                    if not is_name(key) and self._table.get(key) != value:
                        self._table[key] = value
                        self._unwritten.append((key, value))
        if not self._unwritten:
            return
        # The last line may have been cut off: begin a new one.
        lines = b"\n" + b"\n".join(key.hex().encode() + b" " + value for key, value in self._unwritten) + b"\n"
        try:
            new = not self._path.exists()
            # One write for all lines, appended: a kill leaves at most one cut line.
            with self._path.open("ab") as file:
                file.write(lines)
            self._sync(self._path)
            if new:
                self._sync(self._path.parent)
        except OSError as error:
            _log.warning("usage cannot be written, the next call tries again: %s", error.strerror)
        else:
            # Only after the write: a full disk keeps them for the next call.
            self._unwritten.clear()

    def read(self) -> dict[bytes, bytes]:
        """The table; empty where there is none yet."""
        found: dict[bytes, bytes] = {}
        if not self._path.exists():
            return found
        with self._path.open("rb") as file:
            for line in file:
                name, _, value = line.strip().partition(b" ")
                try:
                    key = bytes.fromhex(name.decode())
                    if value:
                        found[key] = joined(key, found.get(key), value)
                except ValueError:
                    continue  # a line that was cut off
        return found


def _nameless(report: PartReport) -> PartReport:
    subject = report.subject
    name = digest("usage", subject.tenant, subject.id)
    return report._replace(subject=subject._replace(id=name), project="-")
