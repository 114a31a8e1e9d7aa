"""What the control plane remembers, as the small entries of a table (pure): the name of an asset, the head of each of
its versions, and one cell for each segment and stage.

Every entry is a join: outcomes unite, measures and statuses take the highest. So an entry depends on neither the order
nor the repetition of events, and an event adds one entry of some 60 bytes whatever the length of its asset.

Only the name says which asset it is; it goes when the asset is deleted, and what it used stays.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from stream.control.progress import standing
from stream.events.asset import AssetChanged, AssetRef, AssetStatus, Outcome, SegmentProgressed
from stream.events.base import Event, Payload
from stream.events.grid import MAX_SEGMENTS
from stream.events.ids import AssetVersion, digest, without_secrets

APP = "rushes-control"
"""The Faust app; also its consumer group."""
MAX_MISSING = 20
MAX_STAGE_BYTES = 100
_DIGEST_BYTES = 16
_NAME_MARK = b"#"
_NEVER = AssetVersion(-1, -1)
_FLAGS = {Outcome.DONE: 1, Outcome.FAILED: 2, Outcome.SUPERSEDED: 4}

Entry = tuple[bytes, bytes]
"""Key and value of a table's entry. A key is the asset version's digest, then for a cell `stage/segment`; a name's is
the asset's digest and `#`.
"""
Stored = Callable[[bytes], bytes | None]
"""The value of a key, or None."""


class CellEntry(NamedTuple):
    """What one stage reported of one segment. `outcomes` holds a bit for each that was ever reported. The length is
    that of a report of done, if there was one: a failure may not know it.
    """

    outcomes: int = 0
    video_ns: int = 0
    cpu_us: int = 0
    device_us: int = 0
    read_bytes: int = 0

    @property
    def done(self) -> bool:
        return bool(self.outcomes & _FLAGS[Outcome.DONE])

    def joined(self, other: "CellEntry") -> "CellEntry":
        _, video_ns = max((self.done, self.video_ns), (other.done, other.video_ns))
        measures = (max(ours, theirs) for ours, theirs in zip(self[2:], other[2:], strict=True))
        return CellEntry(self.outcomes | other.outcomes, video_ns, *measures)

    def to_bytes(self) -> bytes:
        return ",".join(map(str, self)).encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> "CellEntry":
        return cls(*map(int, value.split(b",")))


class AssetName(BaseModel):
    """Which asset it is, unless it was `deleted` as late as it was `named`: the newest version of it that was heard of.
    Two values of one asset never differ in `asset_id`.
    """

    model_config = ConfigDict(frozen=True)
    named: AssetVersion = _NEVER
    deleted: AssetVersion = _NEVER
    asset_id: str = ""
    project: str = ""

    def joined(self, other: "AssetName") -> "AssetName":
        last = max(self, other, key=lambda it: (it.named, it.project))
        deleted = max(self.deleted, other.deleted)
        return last.model_copy(
            update={"deleted": deleted, **({} if last.named > deleted else {"asset_id": "", "project": ""})}
        )

    def to_bytes(self) -> bytes:
        return self.model_dump_json(exclude_defaults=True).encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> "AssetName":
        return cls.model_validate_json(value)


class AssetHead(BaseModel):
    """Whose cells they are, by a digest, and the highest status reported (without what is long or names footage)."""

    model_config = ConfigDict(frozen=True)
    asset: AssetRef
    segment_count: int = 0
    change: AssetChanged | None = None

    def joined(self, other: "AssetHead") -> "AssetHead":
        changes = [head.change for head in (self, other) if head.change is not None]
        return AssetHead(
            asset=self.asset,
            segment_count=max(self.segment_count, other.segment_count),
            change=max(changes, key=standing, default=None),
        )

    def to_bytes(self) -> bytes:
        return self.model_dump_json(exclude_defaults=True).encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> "AssetHead":
        return cls.model_validate_json(value)


_Value = TypeVar("_Value", CellEntry, AssetName, AssetHead)


def entries(payload: Payload, stored: Stored) -> list[Entry]:
    """What a table holds after an event of the `progress` topic, entry by entry; nothing for other events and for
    segments that no asset has.
    """
    return [(key, joined(key, stored(key), fresh)) for key, fresh in _said(payload)]


def joined(key: bytes, held: bytes | None, fresh: bytes) -> bytes:
    """Two values of one key as one. Raises `ValueError` for what is no value of such a key."""
    if is_name(key):
        return _joined(AssetName, held, fresh)
    return _joined(AssetHead, held, fresh) if parsed_key(key) is None else _joined(CellEntry, held, fresh)


def _joined(kind: type[_Value], held: bytes | None, fresh: bytes) -> bytes:
    value = kind.from_bytes(fresh)
    return (value if held is None else kind.from_bytes(held).joined(value)).to_bytes()


def completion(event: Event, stored: Stored) -> Event | None:
    """What the asset's producer is to be told: that its status is final now, and another than before. The same event
    leads to the same id, so that who is told twice knows.
    """
    change = event.data
    if not isinstance(change, AssetChanged) or not change.status.final:
        return None
    held = stored(head_key(change.asset))
    before = None if held is None else AssetHead.model_validate_json(held).change
    if before is not None and (before.status is change.status or standing(before) >= standing(_short(change))):
        return None
    told = change.model_copy(update={"uri": without_secrets(change.uri)})
    return event.derive(told, id=completion_id(change))


def completion_id(change: AssetChanged) -> str:
    asset = change.asset
    return digest("completion", asset.tenant, asset.asset_id, *asset.version, change.status.value)


def head_key(asset: AssetRef) -> bytes:
    return bytes.fromhex(digest("asset-version", asset.tenant, asset.asset_id, *asset.version))


def name_key(head: AssetHead) -> bytes:
    """Of the name that belongs to a head."""
    return bytes.fromhex(head.asset.asset_id) + _NAME_MARK


def is_name(key: bytes) -> bool:
    return len(key) == _DIGEST_BYTES + 1 and key.endswith(_NAME_MARK)


def parsed_key(key: bytes) -> tuple[bytes, str, int] | None:
    """(head's key, stage, segment) of a cell's key; None for that of a head or a name."""
    if len(key) == _DIGEST_BYTES or is_name(key):
        return None
    stage, _, segment = key[_DIGEST_BYTES:].decode().rpartition("/")
    return key[:_DIGEST_BYTES], stage, int(segment)


def _is_stage(name: str) -> bool:
    return 0 < len(name.encode()) <= MAX_STAGE_BYTES


def _said(payload: Payload) -> list[Entry]:
    """What this event alone says."""
    match payload:
        case SegmentProgressed():
            if not 0 <= payload.segment < payload.segment_count <= MAX_SEGMENTS or not _is_stage(payload.stage):
                return []
            head = AssetHead(asset=_nameless(payload.asset), segment_count=payload.segment_count)
            key = head_key(payload.asset)
            cell = CellEntry(
                _FLAGS.get(payload.outcome, 0),
                max(payload.video_ns, 0),
                payload.cpu_us,
                payload.device_us,
                payload.read_bytes,
            )
            named = (name_key(head), _named(payload.asset).to_bytes())
            return [
                named,
                (key, head.to_bytes()),
                (key + f"{payload.stage}/{payload.segment}".encode(), cell.to_bytes()),
            ]
        case AssetChanged():
            head = AssetHead(asset=_nameless(payload.asset), change=_short(payload))
            deleted = payload.status is AssetStatus.DELETED
            name = AssetName(deleted=payload.asset.version) if deleted else _named(payload.asset)
            return [(name_key(head), name.to_bytes()), (head_key(payload.asset), head.to_bytes())]
    return []


def _named(asset: AssetRef) -> AssetName:
    return AssetName(named=asset.version, asset_id=asset.asset_id, project=asset.project)


def _nameless(asset: AssetRef) -> AssetRef:
    return asset.model_copy(update={"asset_id": digest("asset", asset.tenant, asset.asset_id), "project": "-"})


def _short(change: AssetChanged) -> AssetChanged:
    """The reason may name what the asset was made of; its code says as much."""
    return change.model_copy(
        update={
            "asset": _nameless(change.asset),
            "uri": "",
            "labels": {},
            "missing_ns": change.missing_ns[:MAX_MISSING],
            "damaged_ns": change.damaged_ns[:MAX_MISSING],
            "reason": None,
        }
    )
