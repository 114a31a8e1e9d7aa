"""The stored row: a moment of `moments_schema` plus what its whole segment shares. Lance and Delta forms."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import pyarrow as pa

from stream.events.annotations import Annotations, AnnotationsHeader, ModelStamp, Space, moments_schema
from stream.events.ids import asset_key, kept_uri

SEGMENT_FIELDS = [
    pa.field("segment_id", pa.string(), nullable=False),
    pa.field("space", pa.string(), nullable=False),
    pa.field("asset_key", pa.string(), nullable=False),
    pa.field("content_key", pa.string(), nullable=False),
    pa.field("tenant", pa.string(), nullable=False),
    pa.field("project", pa.string(), nullable=False),
    pa.field("asset_id", pa.string(), nullable=False),
    pa.field("uri", pa.string(), nullable=False),
    pa.field("labels", pa.list_(pa.string()), nullable=False),
    pa.field("segment", pa.int32(), nullable=False),
    pa.field("profile", pa.string(), nullable=False),
    pa.field("shot_method", pa.string(), nullable=False),
    pa.field("damaged", pa.bool_(), nullable=False),
    pa.field("file_offset_ns", pa.int64(), nullable=True),
    pa.field("version_ms", pa.int64(), nullable=False),
    pa.field("version_offset", pa.int64(), nullable=False),
    pa.field("epoch_ms", pa.int64(), nullable=False),
    pa.field("revision", pa.int32(), nullable=False),
    pa.field("day", pa.string(), nullable=False),
    pa.field("models", pa.string(), nullable=False),
    pa.field("stage_digests", pa.string(), nullable=False),
]
"""`labels` are `k=v`, sorted; `models` and `stage_digests` are JSON; `day` is the UTC date of `version_ms`.
Asset time plus `file_offset_ns` is the file's own time; null in rows of an older release, which did not tell."""

SPACE_SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("space", pa.string(), nullable=False)])

VECTORS = ("vector", "image_vector")


def stored_schema(space: Space) -> pa.Schema:
    """A row of table `moments_<space.key>` in LanceDB."""
    return pa.schema([*moments_schema(space), *SEGMENT_FIELDS])


def delta_schema() -> pa.Schema:
    """A row of the Delta table, which holds every space: vectors of any length, `image_vector` null where unused. Where
    the space has no embedder, `vector` is empty.
    """
    plain = Space(name="", digest="", dimensions=1, spec="")
    fields = [
        pa.field("vector", pa.list_(pa.float32()), nullable=False) if field.name == "vector" else field
        for field in stored_schema(plain)
    ]
    return pa.schema([*fields, pa.field("image_vector", pa.list_(pa.float32()), nullable=True)])


def stored_rows(batch: Sequence[Annotations]) -> pa.Table:
    """All moments of `batch`, which shares one space, as `stored_schema` rows."""
    space = batch[0].header.space
    schema = stored_schema(space)
    # In one chunk: a table of many takes several times as long to filter, to cast and to write.
    moments = pa.concat_tables([item.rows for item in batch]).combine_chunks().cast(moments_schema(space))
    owner = pa.array([index for index, item in enumerate(batch) for _ in range(item.rows.num_rows)], pa.int64())
    # Without their queries, which may be secrets. Once for each asset, as all its segments share it.
    uris = {uri: kept_uri(uri) for uri in {item.header.uri for item in batch}}
    # Once for each segment, as all its moments share it.
    shared = [_shared(item.header, uris[item.header.uri]) for item in batch]
    headers = pa.Table.from_pylist(shared, pa.schema(SEGMENT_FIELDS)).take(owner)
    return pa.table([*moments.columns, *headers.columns], schema=schema)


def delta_rows(rows: pa.Table) -> pa.Table:
    """`stored_schema` rows as `delta_schema` rows."""
    schema = delta_schema()
    if "vector" not in rows.schema.names:
        field = schema.field("vector")
        rows = rows.append_column(field, pa.array([[]] * rows.num_rows, field.type))
    return _completed(rows, schema)


def lance_rows(rows: pa.Table, space: Space) -> pa.Table:
    """`delta_schema` rows of one space as `stored_schema` rows."""
    return _completed(rows, stored_schema(space))


def _completed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` with the columns of `schema`. Nullable ones that they lack are empty."""
    known = set(rows.schema.names)
    for field in schema:
        if field.nullable and field.name not in known:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(schema.names).cast(schema)


def labels_of(labels: dict[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in sorted(labels.items())]


def day_of(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()


def _shared(header: AnnotationsHeader, uri: str) -> dict[str, object]:
    asset = header.asset
    return {
        "segment_id": header.segment_id,
        "space": header.space.key,
        "asset_key": asset_key(asset.tenant, asset.asset_id),
        "content_key": header.content_key,
        "tenant": asset.tenant,
        "project": asset.project,
        "asset_id": asset.asset_id,
        "uri": uri,
        "labels": labels_of(header.labels),
        "segment": header.segment,
        "profile": header.profile,
        "shot_method": header.shot_method,
        "damaged": header.damaged,
        "file_offset_ns": header.media.file_offset_ns if header.media else None,
        "version_ms": asset.version.append_ms,
        "version_offset": asset.version.offset,
        "epoch_ms": header.epoch_ms,
        "revision": header.revision,
        "day": day_of(asset.version.append_ms),
        "models": _models(header.models),
        "stage_digests": json.dumps(header.stage_digests, sort_keys=True),
    }


@lru_cache(maxsize=256)
def _models(models: tuple[ModelStamp, ...]) -> str:
    """The same for all footage of a roll-out."""
    return json.dumps([model.model_dump() for model in models], sort_keys=True)
