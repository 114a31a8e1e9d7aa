"""What the one writer of the index remembers of assets, so that most batches need no look-up."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.lifecycle import AssetState
from sinks.tables.stored_ids import StoredIds

MOST_CELLS = 4_096
MOST_ASSETS = 1_024


@dataclass(frozen=True, slots=True)
class KnownAsset:
    """All that is stored of it: its state, None where it has no row, and its ledger entries. `lying`: the address of
    its row, where that is known.
    """

    state: AssetState | None = None
    entries: tuple[LedgerEntry, ...] = ()
    lying: int | None = None


NOTHING_STORED = KnownAsset()


class KnownAssets:
    """Assets of the last batches, and which ones the tables hold nothing of. Who changes one otherwise lets it be
    forgotten. Bounded in memory; what it does not know is looked up.
    """

    def __init__(self) -> None:
        self._stored = StoredIds()
        self._held: OrderedDict[str, KnownAsset] = OrderedDict()
        self._cells = 0

    @property
    def worn(self) -> bool:
        """Whether a new one is to take its place."""
        return self._stored.worn

    def of(self, asset_keys: Iterable[str]) -> dict[str, KnownAsset]:
        """What is known of these assets; others have to be looked up."""
        missing = [key for key in asset_keys if key not in self._held]
        maybe = set(self._stored.held_of(missing))
        return {key: self._held.get(key, NOTHING_STORED) for key in asset_keys if key not in maybe}

    def changing(self, stored: Mapping[str, KnownAsset]) -> None:
        """Before these assets are changed, of which so much is stored: until that is done they are not known."""
        new = [key for key, item in stored.items() if item == NOTHING_STORED]
        if new:  # the others were added before, or lie in the tables when these are read
            self._stored.add(new)
        self.forget(stored)

    def learn(self, found: Mapping[str, KnownAsset]) -> None:
        """All that is stored of these assets now."""
        self.forget(found)
        self._held.update(found)
        self._cells += sum(len(item.entries) for item in found.values())
        while self._cells > MOST_CELLS or len(self._held) > MOST_ASSETS:
            self._cells -= len(self._held.popitem(last=False)[1].entries)

    def forget(self, asset_keys: Iterable[str]) -> None:
        for key in asset_keys:
            if (item := self._held.pop(key, None)) is not None:
                self._cells -= len(item.entries)

    def fill(self, read: Callable[[], tuple[int, Iterable[pa.Array]]]) -> None:
        """Read which assets the tables know: how many rows, and their keys. From any thread, beside commits."""
        if not self._stored.filled:
            count, keys = read()
            self._stored.fill(keys, count)
