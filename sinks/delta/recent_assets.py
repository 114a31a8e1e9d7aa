"""What the one writer of a Delta store remembers of its ledger and watermarks, so that most batches need no look-up."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import pyarrow as pa

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.tombstones import Retirement
from sinks.delta.held import Held, Void
from sinks.delta.newest_marks import NewestMarks
from sinks.tables.stored_ids import StoredIds

MOST_CELLS = 16_384
MOST_ASSETS = 8_192

Ids = Callable[[], tuple[int, Iterable[pa.Array]]]
"""How many rows a table has, and the keys of their assets, some at a time."""


class RecentAssets:
    """Assets of the last batches, each with all its cells, and which assets have none at all. It knows of every change:
    who makes one otherwise begins with a new one. Bounded in memory; what it does not know is looked up.
    """

    def __init__(self) -> None:
        self._stored, self._marked = StoredIds(), StoredIds()
        self._cells: OrderedDict[str, dict[SpaceCell, Held]] = OrderedDict()
        self._marks: OrderedDict[str, Retirement | None] = OrderedDict()
        self._newest_marks = NewestMarks()
        self._count = 0

    def unknown(self, asset_keys: Collection[str]) -> set[str]:
        """Those of these assets whose cells have to be looked up."""
        missing = [key for key in asset_keys if key not in self._cells]
        maybe = set(self._stored.held_of(missing))
        for key in missing:
            if key not in maybe:
                self.learn(key, {})
        return maybe

    def learn(self, key: str, cells: Mapping[SpaceCell, Held]) -> None:
        """All cells of an asset."""
        self._count += len(cells) - len(self._cells.get(key, ()))
        self._cells[key] = dict(cells)

    def cells(self, key: str) -> Mapping[SpaceCell, Held]:
        """Nothing also where it has to be looked up."""
        return self._cells.get(key, {})

    def recording(self, entries: Collection[LedgerEntry], void: Void) -> None:
        """Before entries come into the ledger and those of void cells go."""
        for cell, item in void.cells.items():
            if self._cells.get(item.asset_key, {}).pop(cell, None) is not None:
                self._count -= 1
        # Those with cells are among the stored ones already.
        self._add(self._stored, {item.asset_key for item in entries if not self._cells.get(item.asset_key)})
        for entry in entries:
            if (cells := self._cells.get(entry.asset_key)) is not None:
                self._count += entry.cell not in cells
                cells[entry.cell] = Held.by(entry)
                self._cells.move_to_end(entry.asset_key)
        while self._count > MOST_CELLS or len(self._cells) > MOST_ASSETS:
            self._count -= len(self._cells.popitem(last=False)[1])

    def unmarked(self, oldest_ms: Mapping[str, int]) -> set[str]:
        """Those of these assets whose watermarks have to be looked up, where versions from these times on are told of.
        A watermark that is older than all of them voids none.
        """
        missing = [key for key in oldest_ms if key not in self._marks]
        maybe = set(self._marked.held_of(missing))
        self._marks.update((key, None) for key in missing if key not in maybe)
        return {key for key in maybe if self._newest_marks.may_void(key, oldest_ms[key])}

    def learn_marks(self, asset_keys: Iterable[str], marks: Mapping[str, Retirement]) -> None:
        """Of all these assets, as a look-up found them."""
        self._marks.update((key, marks.get(key)) for key in asset_keys)

    def marks(self, asset_keys: Iterable[str]) -> dict[str, Retirement]:
        return {key: mark for key in asset_keys if (mark := self._marks.get(key)) is not None}

    def never_marked(self, asset_keys: Collection[str]) -> set[str]:
        """Those of these assets that have no watermark for sure."""
        return {key for key in asset_keys if key in self._marks and self._marks[key] is None}

    def retiring(self, marks: Mapping[str, Retirement]) -> None:
        """Before these watermarks are stored, over those that are."""
        self._add(self._marked, {key for key in marks if self._marks.get(key) is None})
        self._newest_marks.add(marks)
        # Of another asset an older one may be stored, which this one does not stand for alone.
        for key, mark in ((key, mark) for key, mark in marks.items() if key in self._marks):
            self._marks[key] = mark
            self._marks.move_to_end(key)
        while len(self._marks) > MOST_ASSETS:
            self._marks.popitem(last=False)

    def fill(self, stored: Ids, marked: Ids, marks: Iterable[pa.Table]) -> None:
        """Read which assets the tables know, and all watermarks. From any thread, beside commits."""
        self._newest_marks.fill(marks)
        for ids, read in ((self._stored, stored), (self._marked, marked)):
            if not ids.filled:
                count, keys = read()
                ids.fill(keys, count)

    @property
    def worn(self) -> bool:
        """Whether a new one is to take its place."""
        return self._stored.worn or self._marked.worn

    @staticmethod
    def _add(ids: StoredIds, keys: Collection[str]) -> None:
        if keys:
            ids.add(keys)


def of_assets(held: Mapping[SpaceCell, Held], asset_keys: Iterable[str]) -> Iterator[tuple[str, dict[SpaceCell, Held]]]:
    """Cells by asset; none of an asset that has none."""
    found: dict[str, dict[SpaceCell, Held]] = {key: {} for key in asset_keys}
    for cell, item in held.items():
        if item.asset_key in found:
            found[item.asset_key][cell] = item
    yield from found.items()
