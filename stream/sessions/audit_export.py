"""Audit events to SIEM targets, at least once: each target has a place of its own, kept beside the trail."""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from sinks.siem.target import AuditDelivery, Target
from stream.audit.entry import Entry, read
from stream.audit.files import CHECKPOINTS, Beginning, event_files, lines_of, notes_of
from stream.errors import Fatal
from stream.files import make_folder, replace_file

PLACES = "exports"
MOST_EVENTS = 500
"""In one delivery: some hundred KiB."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportPlace:
    """How far a target has come: `sequence` and `fingerprint` are of the newest event that it has; -1 before the first,
    and no fingerprint where an older release kept none.
    """

    chain_uid: str = ""
    sequence: int = -1
    fingerprint: str = ""


class _AnotherEventError(Exception):
    """The trail has another event, or none, where the newest stands that the target has."""


class AuditExport:
    """One target of the trail in `directory`. `name` is what its place is kept under. Events are delivered in their
    order; a target that takes nothing keeps its own place and blocks no other. `waiting_since_ms`: the time of the
    oldest event that it was seen not to have; None for none.
    """

    def __init__(self, directory: Path, name: str, target: Target, most_events: int = MOST_EVENTS) -> None:
        self._directory = directory
        self._name = name
        self._target = target
        self._most_events = most_events
        # A digest, as the name of a target is a uri and cannot name a file.
        self._path = directory / PLACES / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
        self._place = self._kept()
        self.waiting_since_ms: int | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def place(self) -> ExportPlace:
        return self._place

    def step(self) -> int:
        """Deliver what comes next; the number of events, 0 where there is none.

        Raises `Unavailable` (`siem_unavailable`) where the target did not take it: it comes again. Raises `Fatal`
        (`audit_gap`) where events were removed before this target had them, and (`audit_damaged`) where one is not what
        was written.
        """
        entries = self._entries()
        if not entries:
            self.waiting_since_ms = None
            return 0
        if self.waiting_since_ms is None:
            self.waiting_since_ms = int(json.loads(entries[0].line)["time"])
        first, last = entries[0].head.sequence, entries[-1].head.sequence
        chain_uid = entries[0].chain_uid
        if first != self._place.sequence + 1 and self._place.chain_uid == chain_uid:
            raise Fatal(
                f"events {self._place.sequence + 1} to {first - 1} of the audit trail were removed before"
                f" {self._name} had them: put their files back, or begin anew with another trail",
                code="audit_gap",
            )
        notes = notes_of(self._directory / CHECKPOINTS)
        self._target.deliver(
            AuditDelivery(chain_uid, first, last, [item.line for item in entries], notes[-1] if notes else None)
        )
        # After the delivery: a kill in between repeats events and loses none.
        self._keep(ExportPlace(chain_uid, last, entries[-1].head.fingerprint))
        self.waiting_since_ms = None
        return len(entries)

    def waiting(self) -> int:
        """How many events the target does not have yet."""
        return sum(1 for _ in self._next())

    def _entries(self) -> list[Entry]:
        try:
            return list(islice(self._next(), self._most_events))
        except ValueError as error:
            raise Fatal(
                f"the audit trail in {self._directory} cannot be delivered: {error}. `rushes audit verify` says where",
                code="audit_damaged",
            ) from None

    def _next(self) -> Iterator[Entry]:
        """The events after the place; all of them, where the trail is another one than before."""
        try:
            yield from self._after_place()
        except _AnotherEventError:
            # A power cut may take back what was read from the trail before it was synced.
            _log.warning(
                "the audit trail has no event %d any more as %s got it: all events come again",
                self._place.sequence,
                self._name,
            )
            self._place = ExportPlace()
            yield from self._after_place()

    def _after_place(self) -> Iterator[Entry]:
        """Raises `_AnotherEventError` before it yields anything."""
        files = event_files(self._directory) if self._directory.is_dir() else []
        place, seen = self._place, -1
        if not files or (chain_uid := _chain_uid(files[0])) is None:
            return
        if chain_uid != place.chain_uid:
            place = ExportPlace()
        # A file is named by its first event: only the last that begins no later can hold the one of the place.
        begun = [path for path in files if int(path.stem) <= max(0, place.sequence)]
        for item in _whole_entries([*begun[-1:], *files[len(begun) :]]):
            seen = item.head.sequence
            if seen == place.sequence and place.fingerprint not in {"", item.head.fingerprint}:
                raise _AnotherEventError
            if seen > place.sequence:
                yield item
        if begun and seen < place.sequence:
            raise _AnotherEventError

    def _kept(self) -> ExportPlace:
        try:
            said = json.loads(self._path.read_text())
            return ExportPlace(str(said["chain_uid"]), int(said["sequence"]), str(said.get("fingerprint", "")))
        except FileNotFoundError:
            return ExportPlace()
        except (ValueError, KeyError, TypeError):
            # At least once is the promise: receivers drop what they have by `metadata.uid`.
            _log.warning("%s cannot be read: %s gets every event again", self._path, self._name)
            return ExportPlace()

    def _keep(self, place: ExportPlace) -> None:
        make_folder(self._path.parent)
        said = {"target": self._name, **asdict(place)}
        replace_file(self._path, json.dumps(said))
        self._place = place


def _whole_entries(files: Iterable[Path]) -> Iterator[Entry]:
    """Up to one that is being written. Raises `ValueError`."""
    for path in files:
        for line in islice(lines_of(path), 1, None):
            if not line.endswith(b"\n"):
                return
            yield read(line[:-1])


def _chain_uid(path: Path) -> str | None:
    """None of a file whose first line is being written. Raises `ValueError`."""
    first = next(lines_of(path), b"")
    return Beginning.read(first[:-1]).chain_uid if first.endswith(b"\n") else None
