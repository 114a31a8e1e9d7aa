"""What the ledger of the Delta store says of cells, and which of them watermarks void (pure)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.tombstones import Retirement
from sinks.delta.moments import CELL_ORDER
from sinks.delta.placement import VersionTime
from stream.events.ids import AssetVersion, Order

HELD = (*CELL_ORDER, "tenant", "moment_count", "asset_key", "content_key")
"""Columns of the ledger that a `Held` is made of."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger says of a cell: its order, what it belongs to and how many rows it has."""

    order: Order
    tenant: str
    moment_count: int
    asset_key: str
    content_key: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Held":
        """A row of the columns `HELD`."""
        order = Order(AssetVersion(row["version_ms"], row["version_offset"]), row["epoch_ms"], row["revision"])
        return cls(order, row["tenant"], row["moment_count"], row["asset_key"], row["content_key"])

    @classmethod
    def by(cls, entry: LedgerEntry) -> "Held":
        return cls(entry.order, entry.tenant, entry.moment_count, entry.asset_key, entry.content_key)

    @property
    def time(self) -> VersionTime:
        return VersionTime(self.tenant, self.order.version.append_ms)


@dataclass(frozen=True, slots=True)
class Void:
    """Cells that watermarks of their assets void."""

    cells: Mapping[SpaceCell, Held] = field(default_factory=dict)
    retired: Mapping[str, Retirement] = field(default_factory=dict)

    @classmethod
    def of(cls, retired: Mapping[str, Retirement], held: Mapping[SpaceCell, Held]) -> "Void":
        """What of these assets is void. `held` is what the ledger says of them."""
        cells = {
            cell: item
            for cell, item in held.items()
            if (mark := retired.get(item.asset_key)) and mark.voids(item.content_key, item.order.version)
        }
        return cls(cells, {item.asset_key: retired[item.asset_key] for item in cells.values()})

    @property
    def times(self) -> Iterator[VersionTime]:
        """Where their rows lie."""
        return (item.time for item in self.cells.values())


NOTHING_VOID = Void()
