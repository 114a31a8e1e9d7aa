"""By space: the latest roll-out that stored something there. Every entry of the ledger is read once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import pyarrow as pa

from sinks.query.snapshots import Snapshots
from sinks.query.store_reader import StoreReader
from sinks.tables.names import SEGMENTS
from stream.events.asset import Outcome

_COLUMNS = ("space", "epoch_ms")
DONE = f"outcome = '{Outcome.DONE}'"


@dataclass(slots=True)
class _Ledger:
    """What is known of one ledger: the files of the fragments that were read, and the latest roll-outs in them."""

    table: Any = None
    read: frozenset[tuple[str, ...]] = frozenset()
    newest_ms: dict[str, int] = field(default_factory=dict)

    def follow(self, table: Any) -> None:
        """Read what has come. A fragment never gets other rows, so those that were read are passed over."""
        if self.table is table:
            return
        fragments = {tuple(file.path for file in item.metadata.files): item for item in table.get_fragments()}
        if lacking := [item for files, item in fragments.items() if files not in self.read]:
            scanner = table.scanner(columns=list(_COLUMNS), filter=DONE, fragments=lacking)
            for batch in scanner.to_batches():
                self.newest_ms = _later(self.newest_ms, newest_in(batch))
        self.table, self.read = table, frozenset(fragments)


class NewestEpochs:
    """Of the ledgers of a store's shards. What was stored counts also after it was removed. One thread at a time."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store
        self._ledgers = WeakKeyDictionary[Snapshots, _Ledger]()

    def above(self, epoch_ms: int = -1) -> dict[str, int]:
        """Those that are later."""
        found: dict[str, int] = {}
        for part in self._store.reading(lambda: self._store.each(self._of)):
            found = _later(found, part)
        return {space: newest_ms for space, newest_ms in found.items() if newest_ms > epoch_ms}

    def _of(self, shard: Snapshots) -> dict[str, int]:
        table = shard.newest(SEGMENTS)
        if table is None:
            return {}
        ledger = self._ledgers.setdefault(shard, _Ledger())
        ledger.follow(table)
        return ledger.newest_ms


def newest_in(batch: pa.RecordBatch) -> dict[str, int]:
    """By space, of some entries."""
    rows = pa.Table.from_batches([batch]).group_by("space").aggregate([("epoch_ms", "max")])
    return dict(zip(rows["space"].to_pylist(), rows["epoch_ms_max"].to_pylist(), strict=True))


def _later(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    spaces: Iterable[str] = one.keys() | other.keys()
    return {space: max(one.get(space, -1), other.get(space, -1)) for space in spaces}
