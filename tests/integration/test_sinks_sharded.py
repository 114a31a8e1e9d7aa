"""Sinks over shards: who holds what, and how processes hand shards to each other."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from sinks.delta.sink import DeltaSink
from sinks.lance.sink import LanceSink
from sinks.layout import Layout
from sinks.location import Location, Place
from sinks.protocol import Sink
from sinks.sharded.sink import ShardedSink
from stream.clock import Clock, ManualClock, SystemClock
from stream.errors import BadEvent, Fatal, Unavailable
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.events.ids import asset_key
from tests.support.annotations import annotations, asset_deleted, events, planned, ref

SHARDS = 4
ASSETS = [f"clip-{number}" for number in range(12)]
Family = type[LanceSink] | type[DeltaSink]
FAMILIES: dict[str, Family] = {"lance": LanceSink, "delta": DeltaSink}


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


def sharded(
    family: Family, root: Path, clock: Clock | None = None, *, shards: int = SHARDS, alone: bool = False
) -> ShardedSink:
    clock = clock or SystemClock()
    make: Callable[[Location], Sink] = partial(family, clock=clock)
    return ShardedSink(root, make, shards=shards, name="the store", clock=clock, alone=alone)


@contextmanager
def opened(sink: Sink) -> Iterator[Sink]:
    try:
        sink.open()
        yield sink
    finally:
        sink.close()


def batch_of(*assets: str, segment: int = 0, revision: int = 0) -> list[Event]:
    return events(*(annotations(ref(asset), segment=segment, revision=revision) for asset in assets))


def of_shard(number: int) -> list[str]:
    """Assets that lie in this shard."""
    layout = Layout(Location.of("/"), SHARDS)
    names = (f"clip-{each}" for each in range(200))
    return [name for name in names if layout.shard_of("acme", name) == number][:3]


def ledgers(family: Family, root: Place) -> list[set[tuple[str, int, int]]]:
    """(asset id, segment, revision) of each shard's ledger, read by nobody's writer."""
    layout = Layout.of(root)
    keys = [asset_key("acme", name) for name in ASSETS]
    return [
        {(it.asset_id, it.segment, it.revision) for it in family(place).store.ledger_entries(keys)}
        for place in layout.places
    ]


def test_each_asset_lies_in_its_shard_alone(family: Family, tmp_path: Path) -> None:
    with opened(sharded(family, tmp_path)) as sink:
        told = list(sink.process(batch_of(*ASSETS)))
        list(sink.process([*events(planned(ref(ASSETS[0], 2))), asset_deleted(ref(ASSETS[1], 3))]))
    assert len(told) >= len(ASSETS)
    layout = Layout.of(tmp_path)
    left = [name for name in ASSETS if name != ASSETS[1]]
    wanted: list[set[tuple[str, int, int]]] = [set() for _ in range(SHARDS)]
    for name in left:
        wanted[layout.shard_of("acme", name)].add((name, 0, 0))
    assert ledgers(family, tmp_path) == wanted
    assert sum(map(bool, wanted)) > 1


def test_only_shards_that_are_needed_are_opened(family: Family, tmp_path: Path) -> None:
    with opened(sharded(family, tmp_path)) as sink:
        list(sink.process(batch_of(*of_shard(2))))
    assert [place.directory.exists() for place in Layout.of(tmp_path).places] == [False, False, True, False]


def test_another_number_of_shards_is_refused_with_words(family: Family, tmp_path: Path) -> None:
    with opened(sharded(family, tmp_path)):
        pass
    with pytest.raises(Fatal, match="has 4 shards") as refused:
        sharded(family, tmp_path, shards=2).open()
    assert refused.value.code == "shards_differ"
    with opened(family(tmp_path / "plain")) as plain:
        list(plain.process(batch_of("clip")))
    with pytest.raises(Fatal, match="has 1 shard, "):
        sharded(family, tmp_path / "plain").open()


def test_a_plain_sink_does_not_begin_a_store_at_the_root_of_a_divided_one(family: Family, tmp_path: Path) -> None:
    with opened(sharded(family, tmp_path)):
        pass
    with pytest.raises(Fatal, match="has 4 shards") as refused:
        family(tmp_path).open()
    assert refused.value.code == "shards_differ"


def test_a_shard_goes_to_the_process_whose_batch_needs_it(family: Family, tmp_path: Path) -> None:
    with opened(sharded(family, tmp_path)) as one, opened(sharded(family, tmp_path)) as other:
        list(one.process(batch_of(*ASSETS)))
        list(other.process(batch_of(*ASSETS, segment=1)))
        list(one.process(batch_of(*ASSETS, revision=1)))
    found = {entry for held in ledgers(family, tmp_path) for entry in held}
    assert found == {(name, 0, 1) for name in ASSETS} | {(name, 1, 0) for name in ASSETS}


def test_two_that_always_need_all_shards_both_go_on(family: Family, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def write(sink: Sink, first: int) -> None:
        try:
            for segment in range(first, first + 3):
                list(sink.process(batch_of(*ASSETS, segment=segment)))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    with opened(sharded(family, tmp_path)) as one, opened(sharded(family, tmp_path)) as other:
        threads = [threading.Thread(target=write, args=(sink, first)) for sink, first in ((one, 0), (other, 3))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    found = {entry for held in ledgers(family, tmp_path) for entry in held}
    assert found == {(name, segment, 0) for name in ASSETS for segment in range(6)}


def test_a_shard_that_is_kept_from_it_stops_a_batch_after_the_other_parts(family: Family, tmp_path: Path) -> None:
    clock = ManualClock()
    with opened(sharded(family, tmp_path, clock)) as sink:
        places = Layout.of(tmp_path).places
        with opened(family(places[1])):
            with pytest.raises(Unavailable, match="shard-0001") as locked:
                sink.process(batch_of(*ASSETS))
            assert locked.value.code == "store_locked"
            mine = {name for name in ASSETS if Layout.of(tmp_path).shard_of("acme", name) != 1}
            assert {name for held in ledgers(family, tmp_path) for name, _, _ in held} == mine
        list(sink.process(batch_of(*ASSETS)))
    assert {name for held in ledgers(family, tmp_path) for name, _, _ in held} == set(ASSETS)


def test_maintenance_needs_every_shard(family: Family, tmp_path: Path) -> None:
    with opened(sharded(family, tmp_path, ManualClock())) as sink:
        list(sink.process(batch_of(*ASSETS)))
        sink.maintain(purge=True)
    kept = family(Layout.of(tmp_path).places[3])
    with opened(kept), opened(sharded(family, tmp_path, ManualClock())) as sink:
        with pytest.raises(Unavailable, match="shard-0003"):
            sink.maintain()
        kept.close()
        sink.maintain()


def test_events_that_no_sink_reads_are_refused_before_anything_is_written(family: Family, tmp_path: Path) -> None:
    with opened(sharded(family, tmp_path)) as sink, pytest.raises(BadEvent):
        sink.process([*batch_of(*ASSETS), *events(AssetPublished(uri="file:///a.mp4"))])
    assert ledgers(family, tmp_path) == [set()] * SHARDS
