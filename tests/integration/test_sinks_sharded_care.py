"""What cares for stores does so over all their shards, also where the two are divided differently."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sinks.assets.tombstones import Retirement
from sinks.dead_letters import DeadLetters, DeadLetterSink
from sinks.delta.sink import DeltaSink
from sinks.lance.sink import LanceSink
from sinks.lance.store import LanceIndex
from sinks.layout import Layout
from sinks.maintenance.drop_space import drop_space
from sinks.maintenance.reconcile import missing_retirements, newest_version_ms
from sinks.maintenance.repair import Target, repair
from sinks.maintenance.verify import verify
from sinks.protocol import Sink
from sinks.query.ledger import DeltaLedger, LanceLedger
from sinks.sharded.sink import ShardedSink
from sinks.writer import recover_stores
from stream.clock import ManualClock
from stream.errors import Unavailable
from stream.events.asset import ContentRetired
from stream.events.base import Event
from stream.events.dead_letter import DeadLetter
from stream.events.ids import asset_key, segment_id
from tests.support.annotations import (
    OTHER_SPACE,
    SPACE,
    annotations,
    asset_deleted,
    events,
    planned,
    ref,
    retired,
    segment_failed,
    version,
)

NAMES = [f"clip-{number}" for number in range(10)]
KEYS = [asset_key("acme", name) for name in NAMES]


def letter(name: str) -> DeadLetter:
    """Of a record that was in flight."""
    append_ms = version(1).append_ms
    kind = "rushes.span.planned.v1"
    return DeadLetter(name, "decode", "spans", 0, 7, append_ms, 1, 4, "corrupt", "", "acme", name, kind, b"", b"", {})


class Divided:
    """An index of four shards and a Delta table of three, each written by this process alone."""

    def __init__(self, root: Path) -> None:
        self.index, self.parquet = root / "lance", root / "delta"
        clock = ManualClock()
        lance, delta = partial(LanceSink, clock=clock), partial(DeltaSink, clock=clock)
        self.lance = ShardedSink(self.index, lance, shards=4, name="the index", clock=clock, alone=True)
        self.delta = ShardedSink(self.parquet, delta, shards=3, name="the Delta table", clock=clock, alone=True)

    @property
    def sinks(self) -> tuple[Sink, Sink]:
        return self.lance, self.delta

    def feed(self, batch: list[Event]) -> None:
        for sink in self.sinks:
            list(sink.process(batch))

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Divided]:
    both = Divided(tmp_path)
    for sink in both.sinks:
        sink.open()
    both.feed(
        events(
            *(planned(ref(name), of=2) for name in NAMES),
            *(annotations(ref(name), segment=segment, of=2) for name in NAMES for segment in range(2)),
            annotations(ref(NAMES[0]), of=2, space=OTHER_SPACE),
        )
    )
    yield both
    both.close()


def test_ledgers_find_cells_in_whatever_shard(stores: Divided) -> None:
    header = annotations(ref(NAMES[3]), segment=1, of=2).header
    ids = [annotations(ref(name), segment=1, of=2).header.segment_id for name in NAMES]
    for ledger in (LanceLedger(stores.index), DeltaLedger(stores.parquet)):
        found = ledger.writes([*ids, "unknown"], SPACE.key, header.stage_digests["understand"])
        assert found == dict.fromkeys(ids, header.order)
    failure = segment_failed(ref("other"), segment=4)
    list(stores.lance.process(events(failure)))
    lost = segment_id(failure.content_key, 4)
    assert LanceLedger(stores.index).failed([lost, *ids]) == {lost}


def test_ledgers_see_a_store_that_is_made_after_them(tmp_path: Path) -> None:
    later = Divided(tmp_path)
    ledgers = LanceLedger(later.index), DeltaLedger(later.parquet)
    header = annotations().header
    asked = [header.segment_id], SPACE.key, header.stage_digests["understand"]
    assert [ledger.writes(*asked) for ledger in ledgers] == [{}, {}]
    for sink in later.sinks:
        sink.open()
    later.feed(events(annotations()))
    assert [ledger.writes(*asked) for ledger in ledgers] == [{header.segment_id: header.order}] * 2
    later.close()


def test_stores_that_are_divided_differently_are_compared_asset_by_asset(stores: Divided) -> None:
    report = verify(stores.index, stores.parquet)
    assert report.agrees
    assert {item.space: item.moments for item in report.spaces} == {SPACE.key: 40, OTHER_SPACE.key: 2}
    list(stores.lance.process(events(annotations(ref(NAMES[5]), segment=1, of=2, revision=1))))
    report = verify(stores.index, stores.parquet)
    assert report.assets == {KEYS[5]}
    (differing,) = (item for item in report.spaces if item.cells)
    assert (differing.space, differing.different, len(differing.cells)) == (SPACE.key, 2, 1)


@pytest.mark.parametrize("target", ["lance", "delta"])
def test_what_one_store_lost_comes_back_into_its_shards(stores: Divided, target: Target) -> None:
    one = stores.lance if target == "lance" else stores.delta
    void = Retirement(deleted=version(1))
    one.store.sweep({KEYS[1]: void, KEYS[2]: void})
    assert verify(stores.index, stores.parquet).assets == {KEYS[1], KEYS[2]}
    stores.close()
    assert repair(stores.index, stores.parquet, target) == 4
    assert verify(stores.index, stores.parquet).agrees
    assert Layout.of(stores.index).shards == 4
    assert Layout.of(stores.parquet).shards == 3


@pytest.mark.parametrize("target", ["lance", "delta"])
def test_a_store_that_is_made_anew_is_divided_as_the_other(stores: Divided, target: Target) -> None:
    stores.close()
    lost, other = (stores.index, stores.parquet) if target == "lance" else (stores.parquet, stores.index)
    shutil.rmtree(lost)
    assert repair(stores.index, stores.parquet, target) == 21
    assert Layout.of(lost).shards == Layout.of(other).shards
    assert verify(stores.index, stores.parquet).agrees


def test_repair_needs_every_shard(stores: Divided) -> None:
    with pytest.raises(Unavailable, match="another writer"):
        repair(stores.index, stores.parquet, "delta")


def test_what_the_delta_table_missed_is_told_again(stores: Divided) -> None:
    list(stores.lance.process([asset_deleted(ref(name, 9)) for name in NAMES[:4]]))
    missed = list(missing_retirements(stores.index, stores.parquet))
    told = [item.data for item in missed if isinstance(item.data, ContentRetired)]
    assert sorted(item.asset_id for item in told if item.keep is None) == NAMES[:4]
    list(stores.delta.process(missed))
    assert list(missing_retirements(stores.index, stores.parquet)) == []
    assert verify(stores.index, stores.parquet).agrees


def test_versions_rise_above_those_of_every_shard(stores: Divided) -> None:
    last = ref(NAMES[7], 50)
    stores.feed(events(planned(last, of=1)))
    assert newest_version_ms(stores.index, 0) == last.version.append_ms


def test_dead_letters_know_who_is_deleted_in_whatever_shard(stores: Divided) -> None:
    list(stores.lance.process([asset_deleted(ref(NAMES[0], 9)), asset_deleted(ref(NAMES[1], 9))]))
    sink = DeadLetterSink(stores.index, ManualClock())
    sink.open()
    list(sink.process(events(*(letter(name) for name in NAMES[:3]))))
    assert [item.dead_letter.asset_id for item in DeadLetters(stores.index).listed()] == [NAMES[2]]
    list(sink.process(events(retired(9, None, ref(NAMES[2])))))
    sink.close()
    assert DeadLetters(stores.index).listed() == []


def test_dropping_a_space_leaves_the_others(stores: Divided) -> None:
    stores.close()
    drop_space(stores.index, stores.parquet, SPACE.key)
    report = verify(stores.index, stores.parquet)
    assert report.agrees
    assert {item.space: item.moments for item in report.spaces} == {OTHER_SPACE.key: 2}


def test_every_shard_is_brought_back_after_a_power_cut(stores: Divided) -> None:
    with pytest.raises(Unavailable, match="another writer"):
        recover_stores(stores.index, stores.parquet)
    stores.close()
    recover_stores(stores.index, stores.parquet)
    shards = [LanceIndex(place, ManualClock()) for place in Layout.of(stores.index).places]
    assert sum(len(shard.ledger_entries(KEYS)) for shard in shards) == 21
