"""The sink fold (pure): what a batch changes in a store, whatever its order, duplicates and stale rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from stream.events.annotations import Annotations, AnnotationsHeader
from stream.events.ids import Order, asset_key


class SpaceCell(NamedTuple):
    """What is replaced as a whole: one segment in one space."""

    segment_id: str
    space: str


@dataclass(frozen=True, slots=True)
class Fold:
    """`replace`: at most one per cell, ordered by cell. `known`: the store already holds this order or a higher one.
    `outdone`: the batch itself does. `void`: retired content.
    """

    replace: tuple[Annotations, ...]
    known: tuple[AnnotationsHeader, ...]
    outdone: tuple[AnnotationsHeader, ...]
    void: tuple[AnnotationsHeader, ...]


def cell_of(header: AnnotationsHeader) -> SpaceCell:
    return SpaceCell(header.segment_id, header.space.key)


def fold(batch: Iterable[Annotations], stored: Mapping[SpaceCell, Order], retired: Mapping[str, Retirement]) -> Fold:
    """Reduce `batch` to the highest order per cell that is neither retired nor already stored.

    `stored` needs the cells of the batch only; `retired` is keyed by `asset_key`.
    """
    newest: dict[SpaceCell, Annotations] = {}
    known: list[AnnotationsHeader] = []
    outdone: list[AnnotationsHeader] = []
    void: list[AnnotationsHeader] = []
    for item in batch:
        header = item.header
        cell = cell_of(header)
        asset = header.asset
        retirement = retired.get(asset_key(asset.tenant, asset.asset_id), NOTHING_RETIRED)
        # Retirement first: a void row must not even win over a stored one.
        if retirement.voids(header.content_key, asset.version):
            void.append(header)
        # Equal counts as known: a redelivery of what is stored must not be written again.
        elif cell in stored and header.order <= stored[cell]:
            known.append(header)
        elif cell in newest and header.order <= newest[cell].header.order:
            outdone.append(header)
        else:
            if cell in newest:
                outdone.append(newest[cell].header)
            newest[cell] = item
    # Sorted, so that the same batch gives the same commit in any order.
    return Fold(tuple(newest[cell] for cell in sorted(newest)), tuple(known), tuple(outdone), tuple(void))
