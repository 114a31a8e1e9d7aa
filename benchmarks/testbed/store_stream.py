"""Records as the sinks read them, made cheaply: plans, annotations, changed versions and deletions, without footage.

Vectors lie around cluster centres and thumbnails are noise, so that nothing is compressed that would not be in truth.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import pyarrow as pa

from stream.events.aim import Aim
from stream.events.annotations import TAG, Annotations, AnnotationsHeader, ModelStamp, Space, moments_schema
from stream.events.asset import AssetDeleted, AssetPlanned, AssetRef, ContentRetired, DecodeSettings, Media
from stream.events.base import Event, Payload
from stream.events.grid import SEGMENT_NS, segment_range
from stream.events.ids import AssetVersion, content_key, moment_id, segment_id
from stream.events.runs import Run

CELLS_AN_ASSET = 6
MOMENTS_A_CELL = 3
DIMENSIONS = 384
THUMBNAIL_BYTES = 1500
RECORDS_A_BATCH = 64
TENANTS = 4
CHANGED, DELETED = 0.10, 0.01
"""Of what happens to assets: so many are a changed version of one that is there, or its deletion."""

SPACE = Space(name="bench", digest="be9c" * 8, dimensions=DIMENSIONS, spec="bench")
SETTINGS = DecodeSettings()
MEDIA = Media(
    container="mp4",
    codec="h264",
    stream_index=0,
    width=1920,
    height=1080,
    display_width=1920,
    display_height=1080,
    time_base_num=1,
    time_base_den=1000,
    duration_ns=CELLS_AN_ASSET * SEGMENT_NS,
    runs=(Run(0, 0, CELLS_AN_ASSET * SEGMENT_NS),),
)
_SCHEMA = moments_schema(SPACE)
_AN_ASSET = CELLS_AN_ASSET * MOMENTS_A_CELL
_FIRST_MS = 1_700_000_000_000
_ASSET_MS = 17_280
"""Between two assets: a day holds 5,000 of them, so a store of 300,000 cells spans the folders of ten days."""
_WORDS, _TEXTS, _CENTRES = 20_000, 8_192, 1_000


class Kind(StrEnum):
    """What is done to an asset."""

    NEW = "new"
    REPLACED = "replaced"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Live:
    """An asset that is there, whole, in its newest version."""

    tenant: str
    asset_id: str
    version: AssetVersion


@dataclass(slots=True)
class Batch:
    """What one commit gets. `retired`: what the index must say to the other stores once this is durable."""

    events: list[Event] = field(default_factory=list)
    retired: list[ContentRetired] = field(default_factory=list)
    cells: int = 0
    deleted_cells: int = 0


@dataclass(frozen=True, slots=True)
class _Record:
    event: Event
    cells: int = 0
    deleted_cells: int = 0
    retired: ContentRetired | None = None


class StoreStream:
    """The same records for the same seed, in any process. Assets to change or delete are drawn from all that are
    there, which is the worst case: their rows lie anywhere in a store.
    """

    def __init__(self, seed: int = 18, *, tenants: int = TENANTS) -> None:
        self._random = np.random.default_rng(seed)
        self._tenants = tenants
        self._live: list[Live] = []
        self._offset = 0
        self._waiting: deque[_Record] = deque()
        self._pool = _Pool(self._random)

    @property
    def live_cells(self) -> int:
        """Cells that stores hold when they were given everything up to now."""
        return len(self._live) * CELLS_AN_ASSET

    def batch(self, kind: Kind | None = None, records: int = RECORDS_A_BATCH) -> Batch:
        """The next records: of this kind only, after those that still wait, or mixed."""
        while len(self._waiting) < records:
            self._one_more(kind or self._drawn())
        return self._taken(records)

    def rest(self) -> Batch:
        """What is left of the last asset; nothing of any asset waits after it."""
        return self._taken(len(self._waiting))

    def _taken(self, records: int) -> Batch:
        batch = Batch()
        retired: dict[tuple[str, str], ContentRetired] = {}
        for _ in range(records):
            record = self._waiting.popleft()
            batch.events.append(record.event)
            batch.cells += record.cells
            batch.deleted_cells += record.deleted_cells
            if (gone := record.retired) is not None:
                retired[gone.tenant, gone.asset_id] = gone  # of two in one commit only the later is said
        batch.retired = list(retired.values())
        return batch

    def _drawn(self) -> Kind:
        drawn = self._random.random()
        if drawn < DELETED:
            return Kind.DELETED
        return Kind.REPLACED if drawn < DELETED + CHANGED else Kind.NEW

    def _one_more(self, kind: Kind) -> None:
        self._offset += 1
        version = AssetVersion(_FIRST_MS + self._offset * _ASSET_MS, self._offset)
        before = None if kind is Kind.NEW or not self._live else self._live.pop(self._any_live())
        if before is None:
            asset = Live(f"tenant-{self._offset % self._tenants}", f"clip-{self._offset}", version)
        else:
            asset = replace(before, version=version)
        if kind is Kind.DELETED:
            self._delete(asset)
        else:
            self._write(_ref(asset), None if before is None else before.version)
            self._live.append(asset)

    def _any_live(self) -> int:
        """A position; the last one takes its place, so that a pop from the end suffices."""
        at = int(self._random.integers(len(self._live)))
        self._live[at], self._live[-1] = self._live[-1], self._live[at]
        return -1

    def _delete(self, asset: Live) -> None:
        version = asset.version
        event = _event(AssetDeleted(asset_id=asset.asset_id, version=version), asset.tenant, asset.asset_id, version)
        gone = ContentRetired(tenant=asset.tenant, asset_id=asset.asset_id, up_to=version)
        self._waiting.append(_Record(event, deleted_cells=CELLS_AN_ASSET, retired=gone))

    def _write(self, ref: AssetRef, before: AssetVersion | None) -> None:
        """Its plan and its cells. With the last of them it is ready, and the version `before` is retired."""
        digest = f"{self._offset:032x}"
        key = content_key(ref.tenant, ref.asset_id, digest, SETTINGS.digest())
        uri = f"s3://bench/{ref.tenant}/{ref.asset_id}.mp4"
        plan = AssetPlanned.model_construct(
            asset=ref,
            uri=uri,
            content_digest=digest,
            settings=SETTINGS,
            media=MEDIA,
            segment_count=CELLS_AN_ASSET,
            labels={"desk": f"desk-{self._offset % 7}"},
            aim=_AIM,
        )
        self._waiting.append(_Record(_event(plan, ref.tenant, ref.asset_id, ref.version)))
        gone = ContentRetired(tenant=ref.tenant, asset_id=ref.asset_id, up_to=ref.version, keep=key, keep_after=before)
        rows = self._pool.moments(key)
        for segment in range(CELLS_AN_ASSET):
            cell = Annotations(_header(plan, key, segment), rows.slice(segment * MOMENTS_A_CELL, MOMENTS_A_CELL))
            event = _event(cell, ref.tenant, ref.asset_id, ref.version)
            self._waiting.append(_Record(event, cells=1, retired=gone if _is_last(segment) else None))


_AIM = Aim(space=SPACE.key, epoch_ms=1)
_STAMP = ModelStamp(role="embedder", name="bench", version="1", digest="be9c" * 8)


def _is_last(segment: int) -> bool:
    return segment + 1 == CELLS_AN_ASSET


def _ref(asset: Live) -> AssetRef:
    return AssetRef(tenant=asset.tenant, project="news", asset_id=asset.asset_id, version=asset.version)


def _header(plan: AssetPlanned, key: str, segment: int) -> AnnotationsHeader:
    start_ns, end_ns = segment_range(segment, MEDIA.duration_ns)
    return AnnotationsHeader.model_construct(
        asset=plan.asset,
        uri=plan.uri,
        content_digest=plan.content_digest,
        content_key=key,
        segment=segment,
        segment_count=CELLS_AN_ASSET,
        start_ns=start_ns,
        end_ns=end_ns,
        epoch_ms=_AIM.epoch_ms,
        space=SPACE,
        models=(_STAMP,),
        stage_digests={"decode": SETTINGS.digest(), "understand": _STAMP.digest},
        profile="full",
        shot_method="transnetv2",
        labels=plan.labels,
        media=MEDIA,
    )


def _event(data: Payload, tenant: str, asset_id: str, version: AssetVersion) -> Event:
    return Event(data, tenant=tenant, project="news", subject=asset_id, event_time_ms=version.append_ms, traceparent="")


class _Pool:
    """What rows are drawn from: texts with the word frequencies of a language, tags, centres of clusters."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        ranks = 1 / np.arange(1, _WORDS + 1)
        words = random.choice(_WORDS, size=(_TEXTS, 8), p=ranks / ranks.sum())
        self._texts = pa.array([" ".join(f"w{word}" for word in line) for line in words.tolist()])
        labels = random.integers(1000, size=(_TEXTS, 3)).tolist()
        tags = [[{"label": f"tag-{label}", "score": 0.5} for label in line] for line in labels]
        self._tags = pa.array(tags, pa.list_(TAG))
        self._centres = random.standard_normal((_CENTRES, DIMENSIONS), dtype=np.float32)
        edges = np.arange(MOMENTS_A_CELL * CELLS_AN_ASSET + 1, dtype=np.int64) * (SEGMENT_NS // MOMENTS_A_CELL)
        edges[::MOMENTS_A_CELL] = np.arange(CELLS_AN_ASSET + 1) * SEGMENT_NS
        self._fixed = {
            "start_ns": pa.array(edges[:-1]),
            "end_ns": pa.array(edges[1:]),
            "starts_at_cut": pa.array([True] * _AN_ASSET),
            "ends_at_cut": pa.array([True] * _AN_ASSET),
            "kind": pa.array(["visual"] * _AN_ASSET),
            "sample_count": pa.array([3] * _AN_ASSET, pa.int32()),
            "moderation_nsfw": pa.array([0.125] * _AN_ASSET, pa.float32()),
            "caption_method": pa.array(["template"] * _AN_ASSET),
            "thumbnail_time_ns": pa.array(edges[:-1]),
        }
        self._starts = edges[:-1].tolist()

    def moments(self, key: str) -> pa.Table:
        """All rows of an asset, cell after cell."""
        owners = [segment_id(key, segment) for segment in range(CELLS_AN_ASSET)]
        ids = [moment_id(owners[at // MOMENTS_A_CELL], start) for at, start in enumerate(self._starts)]
        texts, captions, tags = self._random.integers(_TEXTS, size=(3, _AN_ASSET))
        drawn = {
            "moment_id": pa.array(ids),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(self._vectors().ravel()), DIMENSIONS),
            "tags": self._tags.take(pa.array(tags)),
            "caption": self._texts.take(pa.array(captions)),
            "text": self._texts.take(pa.array(texts)),
            "thumbnail": pa.array([self._random.bytes(THUMBNAIL_BYTES) for _ in range(_AN_ASSET)]),
        }
        columns = {**self._fixed, **drawn}
        return pa.table([columns[name] for name in _SCHEMA.names], schema=_SCHEMA)

    def _vectors(self) -> np.ndarray:
        found = self._centres[self._random.integers(_CENTRES, size=_AN_ASSET)]
        found += self._random.standard_normal(found.shape, dtype=np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found
