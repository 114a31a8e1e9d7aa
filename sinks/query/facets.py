"""What the moments that filters keep are like: how many have a tag, a kind, a label. Read only."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sinks.query.catalogue import LiveAsset
from sinks.query.filters import Filters
from sinks.query.moments import MomentIndex, StoredMoment

NSFW_BANDS = (0.0, 0.2, 0.5, 0.8)
"""Where bands of moderation begin. The last one ends at 1."""
_ROWS_AT_ONCE = 8_192
_COLUMNS = ("content_key", "kind", "tags", "moderation_nsfw")


@dataclass(slots=True)
class FacetCounts:
    """Moments by what they have. `nsfw`: by the beginning of the band; moments without a score are in none."""

    moments: int = 0
    tags: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    projects: Counter[str] = field(default_factory=Counter)
    tenants: Counter[str] = field(default_factory=Counter)
    nsfw: Counter[float] = field(default_factory=Counter)


def counted(moments: Iterable[StoredMoment]) -> FacetCounts:
    """Of these moments."""
    found = FacetCounts()
    for moment in moments:
        found.moments += 1
        found.kinds[moment.kind] += 1
        found.projects[moment.project] += 1
        found.tenants[moment.tenant] += 1
        found.tags.update({label for label, _ in moment.tags})
        found.labels.update(moment.labels)
        if moment.moderation_nsfw is not None:
            found.nsfw[_band(moment.moderation_nsfw)] += 1
    return found


def all_facets(index: MomentIndex, space_key: str, filters: Filters) -> FacetCounts:
    """Of all moments that search shows and `filters` keep, counted in one version of the index. In memory are some
    thousand rows at a time, and their assets.
    """

    def count() -> FacetCounts:
        found, version = FacetCounts(), index.version(space_key)
        for where in [] if version is None else index.wheres(version, filters):
            assert version is not None
            for batch in version.batches(where, _COLUMNS, _ROWS_AT_ONCE):
                contents = pc.unique(batch["content_key"]).to_pylist()
                _add(found, pa.Table.from_batches([batch]), index.catalogue.shown(contents, filters))
        return found

    return index.reading(count)


def _add(found: FacetCounts, rows: pa.Table, shown: Mapping[str, LiveAsset]) -> None:
    # Rows may say more than is true: the asset decides.
    rows = rows.filter(pc.is_in(rows["content_key"], pa.array(list(shown), pa.string())))
    found.moments += rows.num_rows
    for key, count in _counts(rows["content_key"]).items():
        asset = shown[key]
        found.projects[asset.project] += count
        found.tenants[asset.tenant] += count
        for label in asset.labels:
            found.labels[label] += count
    found.kinds.update(_counts(rows["kind"]))
    found.tags.update(_counts(pc.struct_field(pc.list_flatten(rows["tags"]), "label")))
    for score, count in _counts(rows["moderation_nsfw"].drop_null()).items():
        found.nsfw[_band(score)] += count


def _counts(values: pa.ChunkedArray) -> dict[Any, int]:
    return {item["values"]: item["counts"] for item in pc.value_counts(values).to_pylist()}


def _band(score: float) -> float:
    return max(start for start in NSFW_BANDS if start <= max(0.0, score))
