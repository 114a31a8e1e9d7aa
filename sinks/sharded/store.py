"""The stores of all shards as one: `sinks.protocol.Store`, with what is said of an asset sent to its shard."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.tombstones import Retirement
from sinks.layout import Layout
from sinks.protocol import Store
from stream.events.annotations import Annotations, Space
from stream.events.ids import asset_key

T = TypeVar("T")


class ShardedStore:
    """`shards`: by number. A call is a commit of each shard that it concerns."""

    def __init__(self, layout: Layout, shards: Sequence[Store]) -> None:
        self._layout = layout
        self.shards = shards

    def replace(self, batch: Sequence[Annotations]) -> None:
        for shard, items in self._by_shard(batch, _key):
            shard.replace(items)

    def record(self, ledger_entries: Sequence[LedgerEntry], known: Collection[SpaceCell]) -> None:
        for shard, items in self._by_shard(ledger_entries, lambda item: item.asset_key):
            shard.record(items, known)

    def ledger_entries(self, asset_keys: Collection[str]) -> list[LedgerEntry]:
        return [entry for shard, keys in self._by_shard(asset_keys, str) for entry in shard.ledger_entries(keys)]

    def sweep(self, retired: Mapping[str, Retirement]) -> None:
        for shard, keys in self._by_shard(retired, str):
            shard.sweep({key: retired[key] for key in keys})

    def spaces(self) -> list[Space]:
        """By key, each once."""
        found = {space.key: space for shard in self.shards for space in shard.spaces()}
        return [found[key] for key in sorted(found)]

    def _by_shard(self, items: Iterable[T], key: Callable[[T], str]) -> list[tuple[Store, list[T]]]:
        found: dict[int, list[T]] = {}
        for item in items:
            found.setdefault(self._layout.shard(key(item)), []).append(item)
        return [(self.shards[number], held) for number, held in sorted(found.items())]


def _key(item: Annotations) -> str:
    return asset_key(item.header.asset.tenant, item.header.asset.asset_id)
