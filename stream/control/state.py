"""What the control plane stores, as small entries of a table: the name of a subject, the head of each of its versions,
and one entry for each part and stage. Pure.

Every entry is a join: outcomes unite, measures and statuses take the highest. So an entry depends on neither the order
nor the repetition of events (ADR 0023). An event adds one entry of about 60 bytes, whatever the length of its asset.

Only the name entry names the asset. It is removed when the asset is deleted; the usage stays.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from stream.control.progress import standing
from stream.events.asset import AssetChanged, AssetRef, AssetStatus, Outcome
from stream.events.base import Event, Payload
from stream.events.ids import AssetVersion, digest, without_secrets
from stream.events.progress import ASSET, MAX_STAGE_BYTES, PartReport, SubjectKey, progress_of, subject_of
from stream.topology.unit import VIDEO_SECONDS

APP = "rushes-control"
"""The Faust app; also its consumer group."""
TABLE = "entries"
CHANGELOG = f"{APP}-{TABLE}-changelog"
"""The topic of the table, as Faust names it."""
# An entry stays small even where a file has thousands of holes.
MAX_MISSING = 20
_DIGEST_BYTES = 16
_NAME_MARK = b"#"
_NEVER = AssetVersion(-1, -1)
_FLAGS = {Outcome.DONE: 1, Outcome.FAILED: 2, Outcome.SUPERSEDED: 4}

Entry = tuple[bytes, bytes]
"""Key and value of a table entry. A head's key is the digest of a subject's version; a part's key adds `stage/part`. A
name's key is the subject's digest and `#`.
"""
Stored = Callable[[bytes], bytes | None]
"""The value of a key, or None."""


class PartEntry(NamedTuple):
    """What one stage reported of one part. `outcomes` has a bit for each outcome ever reported. The quantity is that of
    a report of done, if there was one: a failure may not know it. The unit is stored only if it is not video.
    """

    outcomes: int = 0
    quantity: int = 0
    cpu_us: int = 0
    device_us: int = 0
    read_bytes: int = 0
    unit: str = VIDEO_SECONDS.counts

    @property
    def done(self) -> bool:
        return bool(self.outcomes & _FLAGS[Outcome.DONE])

    def joined(self, other: "PartEntry") -> "PartEntry":
        _, quantity, unit = max((self.done, self.quantity, self.unit), (other.done, other.quantity, other.unit))
        cpu_us, device_us = max(self.cpu_us, other.cpu_us), max(self.device_us, other.device_us)
        read_bytes = max(self.read_bytes, other.read_bytes)
        return PartEntry(self.outcomes | other.outcomes, quantity, cpu_us, device_us, read_bytes, unit)

    def to_bytes(self) -> bytes:
        # Entries of earlier releases have no unit. Video without one keeps the same bytes.
        stored = self if self.unit != VIDEO_SECONDS.counts else self[:-1]
        return ",".join(map(str, stored)).encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> "PartEntry":
        fields = value.split(b",")
        unit = fields.pop().decode() if len(fields) == len(cls._fields) else VIDEO_SECONDS.counts
        outcomes, quantity, cpu_us, device_us, read_bytes = map(int, fields)
        return cls(outcomes, quantity, cpu_us, device_us, read_bytes, unit)


class SubjectName(BaseModel):
    """The name of a subject, unless the newest `deleted` version is at least as new as the newest `named` one. All
    values of one subject have the same `asset_id`, the stored name of its id.
    """

    model_config = ConfigDict(frozen=True)
    named: AssetVersion = _NEVER
    deleted: AssetVersion = _NEVER
    asset_id: str = ""
    project: str = ""

    def joined(self, other: "SubjectName") -> "SubjectName":
        # The project breaks ties, so that joins do not depend on the order.
        last = max(self, other, key=lambda it: (it.named, it.project))
        deleted = max(self.deleted, other.deleted)
        return last.model_copy(
            update={"deleted": deleted, **({} if last.named > deleted else {"asset_id": "", "project": ""})}
        )

    def to_bytes(self) -> bytes:
        return self.model_dump_json(exclude_defaults=True).encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> "SubjectName":
        return cls.model_validate_json(value)


class SubjectHead(BaseModel):
    """The owner of parts, as a digest, and the highest reported status (without long fields and names of footage). The
    field names are the stored ones, from when all subjects were assets.
    """

    model_config = ConfigDict(frozen=True)
    asset: AssetRef
    kind: str = ASSET
    segment_count: int = 0
    change: AssetChanged | None = None

    def joined(self, other: "SubjectHead") -> "SubjectHead":
        changes = [head.change for head in (self, other) if head.change is not None]
        return SubjectHead(
            asset=self.asset,
            kind=self.kind,
            segment_count=max(self.segment_count, other.segment_count),
            change=max(changes, key=standing, default=None),
        )

    def to_bytes(self) -> bytes:
        return self.model_dump_json(exclude_defaults=True).encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> "SubjectHead":
        return cls.model_validate_json(value)


_Value = TypeVar("_Value", PartEntry, SubjectName, SubjectHead)


def entries(payload: Payload, stored: Stored) -> list[Entry]:
    """The table entries after an event of the `progress` topic. None for other events and for parts that no subject
    has.
    """
    return _joined_with(_entries_from(payload), stored)


def entries_of(report: PartReport, stored: Stored) -> list[Entry]:
    """The same for a report of a part."""
    return _joined_with(_reported(report), stored)


def _joined_with(fresh: list[Entry], stored: Stored) -> list[Entry]:
    return [(key, joined(key, stored(key), value)) for key, value in fresh]


def joined(key: bytes, held: bytes | None, fresh: bytes) -> bytes:
    """Joins two values of one key. Raises `ValueError` for a value that does not belong to such a key."""
    if is_name(key):
        return _joined(SubjectName, held, fresh)
    return _joined(SubjectHead, held, fresh) if parsed_key(key) is None else _joined(PartEntry, held, fresh)


def _joined(kind: type[_Value], held: bytes | None, fresh: bytes) -> bytes:
    value = kind.from_bytes(fresh)
    return (value if held is None else kind.from_bytes(held).joined(value)).to_bytes()


def completion(event: Event, stored: Stored) -> Event | None:
    """The event for the asset's producer: its status is final now and differs from the one before. None if there is
    nothing to report. The same event gives the same id, so that a receiver recognises a redelivery.
    """
    change = event.data
    if not isinstance(change, AssetChanged) or not change.status.final:
        return None
    held = stored(head_key(subject_of(change.asset)))
    before = None if held is None else SubjectHead.model_validate_json(held).change
    # Equal or lower: a redelivery. A producer would be told the same twice.
    if before is not None and (before.status is change.status or standing(before) >= standing(_short(change))):
        return None
    # A signed URL holds credentials, and completions go to whoever follows the topic.
    redacted = change.model_copy(update={"uri": without_secrets(change.uri)})
    return event.derive(redacted, id=completion_id(change))


def completion_id(change: AssetChanged) -> str:
    asset = change.asset
    return digest("completion", asset.tenant, asset.asset_id, *asset.version, change.status.value)


def head_key(subject: SubjectKey) -> bytes:
    return bytes.fromhex(digest(f"{subject.kind}-version", subject.tenant, subject.id, *subject.version))


def name_key(head: SubjectHead) -> bytes:
    """The key of the name entry that belongs to a head."""
    return bytes.fromhex(head.asset.asset_id) + _NAME_MARK


def is_name(key: bytes) -> bool:
    return len(key) == _DIGEST_BYTES + 1 and key.endswith(_NAME_MARK)


def parsed_key(key: bytes) -> tuple[bytes, str, int] | None:
    """(head's key, stage, part) of a part's key; None for the key of a head or a name."""
    # Read by length: a digest may hold any bytes, also `/` and `#`.
    if len(key) == _DIGEST_BYTES or is_name(key):
        return None
    stage, _, segment = key[_DIGEST_BYTES:].decode().rpartition("/")
    return key[:_DIGEST_BYTES], stage, int(segment)


def _is_stage(name: str) -> bool:
    return 0 < len(name.encode()) <= MAX_STAGE_BYTES


def _entries_from(payload: Payload) -> list[Entry]:
    """The entries of this event alone."""
    report = progress_of(payload)
    if report is not None:
        return _reported(report)
    if not isinstance(payload, AssetChanged):
        return []
    subject = subject_of(payload.asset)
    head = SubjectHead(asset=_nameless(subject), change=_short(payload))
    deleted = payload.status is AssetStatus.DELETED
    name = SubjectName(deleted=subject.version) if deleted else _named(subject, payload.asset.project)
    return [(name_key(head), name.to_bytes()), (head_key(subject), head.to_bytes())]


def _reported(report: PartReport) -> list[Entry]:
    # The name becomes part of a key, and reports may come from others.
    if not report.possible or not _is_stage(report.stage):
        return []
    subject = report.subject
    head = SubjectHead(asset=_nameless(subject), kind=subject.kind, segment_count=report.parts)
    part = PartEntry(
        _FLAGS.get(report.outcome, 0),
        max(report.quantity, 0),
        report.cpu_us,
        report.device_us,
        report.read_bytes,
        report.unit,
    )
    key = head_key(subject)
    return [
        (name_key(head), _named(subject, report.project).to_bytes()),
        (key, head.to_bytes()),
        (key + f"{report.stage}/{report.part}".encode(), part.to_bytes()),
    ]


def _named(subject: SubjectKey, project: str) -> SubjectName:
    return SubjectName(named=subject.version, asset_id=subject.id, project=project)


def _nameless(subject: SubjectKey) -> AssetRef:
    name = digest(subject.kind, subject.tenant, subject.id)
    return AssetRef(tenant=subject.tenant, project="-", asset_id=name, version=subject.version)


def _short(change: AssetChanged) -> AssetChanged:
    """The change without details. The reason may name the source of the asset; the code says enough."""
    return change.model_copy(
        update={
            "asset": _nameless(subject_of(change.asset)),
            "uri": "",
            "labels": {},
            "missing_ns": change.missing_ns[:MAX_MISSING],
            "damaged_ns": change.damaged_ns[:MAX_MISSING],
            "reason": None,
        }
    )
