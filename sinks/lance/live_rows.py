"""What rows of the index say of search (pure): whether they show, under which project and labels.

They are hints. They may be true too early or for too long, and never false for too long; the asset row decides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from sinks.assets.lifecycle import AssetState
from sinks.filters import list_of, literal
from sinks.lance.hit_column import HIT, hits_of
from sinks.schema import labels_of, stored_schema
from stream.events.annotations import Space

LIVE_FIELDS = (
    pa.field("visible", pa.bool_(), nullable=True),
    pa.field("live_project", pa.string(), nullable=True),
    pa.field("live_labels", pa.list_(pa.string()), nullable=True),
)
"""`visible`: whether the row's content is the live one of its asset; the others are that version's."""

LIVE_SCHEMA = pa.schema(LIVE_FIELDS)
_ADDED = (HIT.name, *LIVE_SCHEMA.names)


@dataclass(frozen=True, slots=True)
class LiveNames:
    """Under which names search shows a content. `labels` are `k=v`, sorted."""

    project: str
    labels: tuple[str, ...]

    def columns(self) -> dict[str, str]:
        """The columns of its rows, as SQL."""
        return {"visible": "true", "live_project": literal(self.project), "live_labels": list_of(self.labels)}


NOTHING_SHOWN: Mapping[str, LiveNames] = MappingProxyType({})


def index_schema(space: Space) -> pa.Schema:
    """A row of table `moments_<space.key>`: the stored row, what a hit shows of it, and what it says of search."""
    return pa.schema([*stored_schema(space), HIT, *LIVE_FIELDS])


def shown_of(states: Iterable[AssetState]) -> dict[str, LiveNames]:
    """What search shows, by content key."""
    live = [state.attempt(state.live) for state in states]
    return {
        item.content_key: LiveNames(item.project, tuple(labels_of(item.labels)))
        for item in live
        if item is not None and item.content_key is not None
    }


def live_columns(content_keys: pa.ChunkedArray, shown: Mapping[str, LiveNames]) -> pa.Table:
    """`LIVE_SCHEMA` rows for rows of these contents."""
    # Once for each content: a batch has many rows and few contents.
    contents = content_keys.combine_chunks().dictionary_encode()
    said = [shown.get(key) for key in contents.dictionary.to_pylist()]
    rows = {
        "visible": [item is not None for item in said],
        "live_project": [item.project if item else "" for item in said],
        "live_labels": [list(item.labels) if item else [] for item in said],
    }
    return pa.table(rows, schema=LIVE_SCHEMA).take(contents.indices)


def with_live_columns(rows: pa.Table, shown: Mapping[str, LiveNames]) -> pa.Table:
    """`stored_schema` rows as `index_schema` rows; they may have been such."""
    stored = rows.select([name for name in rows.schema.names if name not in _ADDED])
    said = live_columns(rows["content_key"], shown)
    columns = [*stored.columns, hits_of(stored), *said.columns]
    return pa.table(columns, schema=pa.schema([*stored.schema, HIT, *LIVE_FIELDS]))


def live_batch(batch: pa.RecordBatch, shown: Mapping[str, LiveNames]) -> pa.RecordBatch:
    """As `live_columns`, for a batch of rows of an older release."""
    said = live_columns(pa.chunked_array([batch["content_key"]]), shown).combine_chunks().to_batches()
    # A table without rows may have no batch.
    return said[0] if said else LIVE_SCHEMA.empty_table().to_batches()[0]


def newly_shown(
    before: Mapping[str, LiveNames], after: Mapping[str, LiveNames], stored: Iterable[str]
) -> dict[str, LiveNames]:
    """Contents of `after` whose rows, of which `stored` tells, do not say so yet."""
    known = set(stored)
    return {key: shown for key, shown in after.items() if key in known and before.get(key) != shown}
