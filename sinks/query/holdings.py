"""What each space holds of the assets that search shows. Read only."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from sinks.location import Place
from sinks.query.catalogue import Catalogue
from sinks.query.filters import Filters
from sinks.query.newest_epochs import DONE, NewestEpochs
from sinks.query.store_reader import StoreReader
from sinks.tables.names import SEGMENTS

_CELL = ("content_key", "space", "segment")


@dataclass(frozen=True, slots=True)
class Holding:
    """`epoch_ms`: of the latest roll-out that stored something here. `whole`: assets that show and are all here;
    `lacking`: assets of which another space has more.
    """

    epoch_ms: int = 0
    whole: int = 0
    lacking: int = 0


def holdings(place: Place) -> Mapping[str, Holding]:
    """By space; nothing for one that holds nothing. The ledger is read in pages of assets."""
    store = StoreReader(place)
    found = {space: Holding(epoch) for space, epoch in NewestEpochs(store).above().items()}
    for page in Catalogue(place, store).pages(Filters()):
        keys = [it.asset_key for it in page.values()]
        rows = store.reading(partial(store.select_in, SEGMENTS, "asset_key", keys, _CELL, DONE))
        known, whole = _counted(pa.concat_tables(rows), page) if rows else (0, {})
        for space, held in found.items():
            here = whole.get(space, 0)
            found[space] = Holding(held.epoch_ms, held.whole + here, held.lacking + known - here)
    return defaultdict(Holding, found)


def _counted(cells: pa.Table, contents: Iterable[str]) -> tuple[int, dict[str, int]]:
    """Of how many contents there are cells, and how many of these each space has whole."""
    cells = cells.filter(pc.is_in(cells["content_key"], pa.array(list(contents), pa.string())))
    every = cells.group_by("content_key").aggregate([("segment", "count_distinct")])
    all_cells = dict(zip(every["content_key"].to_pylist(), every["segment_count_distinct"].to_pylist(), strict=True))
    held = cells.group_by(["content_key", "space"]).aggregate([("segment", "count_distinct")])
    whole: dict[str, int] = {}
    for key, space, count in zip(
        *(held[name].to_pylist() for name in ("content_key", "space", "segment_count_distinct")), strict=True
    ):
        whole[space] = whole.get(space, 0) + (count == all_cells[key])
    return len(all_cells), whole
