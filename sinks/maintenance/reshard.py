"""Dividing a store into another number of shards, while nobody writes it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from sinks.delta.store import DeltaStore
from sinks.lance.store import LanceIndex
from sinks.layout import Layout, clear
from sinks.location import Location, Place
from sinks.store_errors import guarded
from sinks.writer import Writer, delta_writer, index_writer, writing
from stream.clock import SystemClock
from stream.errors import Fatal, Unavailable
from stream.events.annotations import Space

Told = Callable[[int, int], None]
"""Gets the rows that are copied, and of how many."""


class Contents(Protocol):
    """A shard of either store, as it is copied."""

    def open(self) -> None: ...
    def close(self) -> None: ...
    def spaces(self) -> list[Space]: ...
    def counts(self) -> dict[str, int]: ...
    def contents(self) -> Iterator[tuple[str, pa.Table]]: ...
    def register(self, spaces: list[Space], /) -> None: ...
    def take_in(self, name: str, rows: pa.Table) -> None: ...
    def optimize(self) -> None: ...


S = TypeVar("S", bound=Contents)


@dataclass(frozen=True, slots=True)
class Kind(Generic[S]):
    """One of the two stores: its name, who may write a shard, and how that is opened and brought up to date."""

    name: str
    writer: Callable[[Location], Writer]
    store: Callable[[Location], S]
    upgrade: Callable[[S], None]


INDEX = Kind("the index", index_writer, lambda place: LanceIndex(place, SystemClock()), LanceIndex.upgrade)
PARQUET = Kind("the Delta table", delta_writer, DeltaStore, DeltaStore.upgrade)


def reshard(place: Place, shards: int, kind: Kind[S], told: Told = lambda _done, _total: None) -> bool:
    """Divide the store at `place` into `shards`; returns whether it had another number. The new shards are written
    beside the old ones, and one small file that is replaced says which of them are the store: a kill leaves the old or
    the new store whole, and a repeat removes what is left of the other.

    Raises `Unavailable` (`store_locked`) while anybody writes a shard, `disk_full` and the like, and `Fatal`
    (`copy_differs`) where the copy has not as many rows as the store.
    """
    root = Location.of(place)
    if root.path is None:
        raise Fatal(
            f"{kind.name} at {root} lies on an object store, where a store cannot be divided anew: copy it into a"
            " directory, divide it there, and copy it back",
            code="unusable_path",
        )
    with guarded(root, kind.name, writer=True):
        found = Layout.of(root)
        with writing(*map(kind.writer, found.places)):
            # With the locks: somebody may have divided it before they were taken.
            if Layout.of(root) != found:
                raise Unavailable(f"{kind.name} at {root} is being divided anew; try again later", code="store_locked")
            clear(found)
            if found.shards == shards:
                return False
            target = Layout(root, shards, found.generation + 1)
            _copy(found, target, kind, told)
            # The switch: a kill before it leaves the old store whole, one after it the new store.
            target.write()
        # Without the locks, which lie among what goes: who opens a shard looks at the layout afterwards.
        clear(target)
        return True


def _copy(found: Layout, target: Layout, kind: Kind[S], told: Told) -> None:
    """All rows into the new shards, durable and counted."""
    old = [kind.store(location) for location in found.places]
    new = [kind.store(location) for location in target.places]
    # The writers of new shards make them durable at the end of the block.
    with writing(*map(kind.writer, target.places)):
        for shard in (*old, *new):
            shard.open()
        for shard in old:
            kind.upgrade(shard)
        spaces = {space.key: space for shard in old for space in shard.spaces()}
        for shard in new:
            shard.register(list(spaces.values()))
        done, total = 0, sum(_sum(shard.counts() for shard in old).values())
        for shard in old:
            for name, rows in shard.contents():
                for number, mine in _split(target, rows):
                    new[number].take_in(name, mine)
                done += rows.num_rows
                told(done, total)
        for shard in new:
            # A shard of the Delta table that took rows in is whole only after this.
            kind.upgrade(shard)
            shard.optimize()
        _require_all(_sum(shard.counts() for shard in old), _sum(shard.counts() for shard in new), target, kind)
        for shard in (*old, *new):
            shard.close()


def _split(target: Layout, rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    keys = rows["asset_key"].to_pylist()
    if not keys:
        return
    numbers = pa.array([target.shard(key) for key in keys], pa.int32())
    for number in sorted(set(numbers.to_pylist())):
        yield number, rows.filter(pc.equal(numbers, number))


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            found[name] = found.get(name, 0) + count
    return found


def _require_all(old: Mapping[str, int], new: Mapping[str, int], target: Layout, kind: Kind[S]) -> None:
    differing = {name: (count, new.get(name, 0)) for name, count in old.items() if count != new.get(name, 0)}
    if differing:
        words = "; ".join(f"{name}: {count} rows, {copied} copied" for name, (count, copied) in differing.items())
        raise Fatal(
            f"{kind.name} at {target.root} was not divided, as the copy differs ({words}): nothing of the store was"
            " changed; compare the stores with `rushes verify`, and try again",
            code="copy_differs",
        )
