"""Made-up annotations and asset events for tests of sinks and search: small, deterministic, real types."""

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from stream.events.annotations import Annotations, AnnotationsHeader, ModelStamp, Space, moments_schema
from stream.events.asset import (
    AssetDeleted,
    AssetFailed,
    AssetPlanned,
    AssetRef,
    ContentRetired,
    DecodeSettings,
    Media,
    SegmentFailed,
)
from stream.events.base import Event, Payload
from stream.events.grid import SEGMENT_NS, segment_range
from stream.events.ids import AssetVersion, content_key, digest, moment_id, segment_id
from tests.support.planning import media_of

SPACE = Space(name="toy", digest="0123456789abcdef", dimensions=8, image_dimensions=4, spec="toy")
OTHER_SPACE = Space(name="other", digest="fedcba9876543210", dimensions=16, spec="other")
SETTINGS = DecodeSettings()
STAMP = ModelStamp(role="embedder", name="toy", version="1", digest="d1")


def version(number: int) -> AssetVersion:
    """Version `number`: one a minute from a fixed morning."""
    return AssetVersion(1_700_000_000_000 + 60_000 * number, number)


def ref(asset_id: str = "clip", number: int = 1, *, tenant: str = "acme", project: str = "news") -> AssetRef:
    return AssetRef(tenant=tenant, project=project, asset_id=asset_id, version=version(number))


def key_of(content: str = "a", asset_id: str = "clip", tenant: str = "acme") -> str:
    """The content key of content `content` of an asset under `SETTINGS`."""
    return content_key(tenant, asset_id, content, SETTINGS.digest())


def media(segments: int) -> Media:
    return media_of(segments * SEGMENT_NS - SEGMENT_NS // 2)


def moments(
    space: Space, owner: str, start_ns: int, end_ns: int, count: int, *, seed: str, words: Sequence[str] = ()
) -> pa.Table:
    """`count` moments that divide [start_ns, end_ns) with a cut between any two; values follow from `seed`."""
    edges = [start_ns + (end_ns - start_ns) * index // max(1, count) for index in range(count + 1)]
    rows = []
    for index, (start, end) in enumerate(itertools.pairwise(edges)):
        row: dict[str, object] = {
            "moment_id": moment_id(owner, start),
            "start_ns": start,
            "end_ns": end,
            "starts_at_cut": index > 0,
            "ends_at_cut": index + 1 < count,
            "kind": "visual",
            "sample_count": 1,
            "vector": unit(space.dimensions, seed, index),
            "tags": [{"label": "dog", "score": 0.75}, {"label": "ball", "score": 0.25}],
            "moderation_nsfw": 0.125,
            "caption": "a dog",
            "caption_method": "template",
            "text": words[index] if index < len(words) else "",
            "thumbnail": b"\xff\xd8" + digest(seed, index).encode(),
            "thumbnail_time_ns": (start + end) // 2,
        }
        if space.image_dimensions is not None:
            row["image_vector"] = unit(space.image_dimensions, seed, index + 1)
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=moments_schema(space))


def unit(dimensions: int, *seed: object) -> list[float]:
    """A unit vector that follows from `seed`."""
    values = np.random.default_rng(int(digest(*seed)[:12], 16)).standard_normal(dimensions)
    return [float(value) for value in values / np.linalg.norm(values)]


def annotations(
    asset: AssetRef | None = None,
    segment: int = 0,
    *,
    content: str = "a",
    of: int = 3,
    count: int = 2,
    epoch_ms: int = 5,
    revision: int = 0,
    space: Space = SPACE,
    words: Sequence[str] = (),
    labels: dict[str, str] | None = None,
    uri: str = "file:///clips/clip.mp4",
    understand: str = "u1",
) -> Annotations:
    """Segment `segment` of `of` of the content `content`; other orders give other vectors."""
    asset = asset or ref()
    key = key_of(content, asset.asset_id, asset.tenant)
    start_ns, end_ns = segment_range(segment, media(of).duration_ns)
    seed = digest(key, segment, *asset.version, epoch_ms, revision)
    owner = segment_id(key, segment)
    header = AnnotationsHeader(
        asset=asset,
        uri=uri,
        content_digest=content,
        content_key=key,
        segment=segment,
        segment_count=of,
        start_ns=start_ns,
        end_ns=end_ns,
        epoch_ms=epoch_ms,
        revision=revision,
        space=space,
        models=(STAMP,),
        stage_digests={"understand": understand},
        profile="full",
        shot_method="transnetv2",
        labels=labels or {},
        media=media(of),
    )
    return Annotations(header, moments(space, owner, start_ns, end_ns, count, seed=seed, words=words))


def planned(
    asset: AssetRef | None = None,
    *,
    content: str = "a",
    of: int = 3,
    assumed: Sequence[int] = (),
    labels: dict[str, str] | None = None,
    retention_days: int | None = None,
) -> AssetPlanned:
    return AssetPlanned(
        asset=asset or ref(),
        uri="file:///clips/clip.mp4",
        content_digest=content,
        settings=SETTINGS,
        media=media(of),
        segment_count=of,
        assumed_done=tuple(assumed),
        labels=labels or {},
        retention_days=retention_days,
    )


def segment_failed(asset: AssetRef | None = None, segment: int = 0, *, content: str = "a") -> SegmentFailed:
    asset = asset or ref()
    return SegmentFailed(
        asset=asset,
        content_key=key_of(content, asset.asset_id, asset.tenant),
        segment=segment,
        stage="decode",
        code="corrupt",
        message="the bitstream is broken",
    )


def asset_failed(asset: AssetRef | None = None) -> AssetFailed:
    return AssetFailed(
        asset=asset or ref(), uri="file:///clips/clip.mp4", stage="plan", code="not_a_video", message="no video stream"
    )


def asset_deleted(asset: AssetRef | None = None) -> Event:
    asset = asset or ref()
    return event(AssetDeleted(asset_id=asset.asset_id, version=asset.version), asset)


def retired(up_to: int, keep: str | None, asset: AssetRef | None = None) -> ContentRetired:
    asset = asset or ref()
    return ContentRetired(tenant=asset.tenant, asset_id=asset.asset_id, up_to=version(up_to), keep=keep)


def event(data: Payload, asset: AssetRef | None = None) -> Event:
    """`data` in an envelope of the asset it is about."""
    header = getattr(data, "header", None)
    asset = asset or getattr(header or data, "asset", None) or ref()
    return Event(
        data=data, tenant=asset.tenant, project=asset.project, subject=asset.asset_id, event_time_ms=1_700_000_000_000
    )


def events(*payloads: Payload | Event) -> list[Event]:
    return [item if isinstance(item, Event) else event(item) for item in payloads]
