"""What a person asks of stores on an object store: compare, repair, make one anew, drop a space, read letters."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sinks.assets.fold import SpaceCell
from sinks.dead_letters import DeadLetterFilter, DeadLetters, DeadLetterSink, DeadLetterState
from sinks.delta.sink import DeltaSink
from sinks.lance.sink import LanceSink
from sinks.location import Location
from sinks.maintenance.drop_space import drop_space
from sinks.maintenance.repair import Target, repair
from sinks.maintenance.verify import verify
from sinks.query.catalogue import Catalogue
from sinks.query.moments import MomentIndex
from sinks.storage.objects import Objects
from sinks.writer import recover_stores
from stream.clock import ManualClock
from tests.integration.test_sinks_sharded_care import letter
from tests.support.annotations import OTHER_SPACE, SPACE, annotations, asset_deleted, events, planned, ref


@dataclass(frozen=True, slots=True)
class Stores:
    """Both, whose writers have ended."""

    index: Location
    parquet: Location

    @property
    def agree(self) -> bool:
        return verify(self.index, self.parquet).agrees

    def lose(self, place: Location) -> None:
        objects = Objects(place)
        for name, _ in list(objects.sizes("")):
            objects.remove(name)


@pytest.fixture
def stores(s3_prefix: str) -> Iterator[Stores]:
    both = Stores(Location.of(s3_prefix).child("index"), Location.of(s3_prefix).child("parquet"))
    batch = events(
        planned(of=2, labels={"team": "red"}),
        *(annotations(segment=segment, of=2, words=["dog"], labels={"team": "red"}) for segment in range(2)),
        annotations(of=2, space=OTHER_SPACE),
        planned(ref("second"), of=1),
        annotations(ref("second"), of=1),
    )
    for sink in (LanceSink(both.index, ManualClock()), DeltaSink(both.parquet, ManualClock())):
        sink.open()
        list(sink.process(batch))
        sink.close()
    assert both.agree
    yield both


@pytest.mark.long
@pytest.mark.parametrize("target", ["lance", "delta"])
def test_what_one_store_lost_comes_back(stores: Stores, target: Target) -> None:
    cells = [SpaceCell(annotations(segment=segment, of=2).header.segment_id, SPACE.key) for segment in range(2)]
    if target == "delta":
        delta = DeltaSink(stores.parquet, ManualClock())
        delta.open()
        delta.store.erase(cells)
        delta.close()
    else:
        index = LanceSink(stores.index, ManualClock())
        index.open()
        index.store.erase([cell.segment_id for cell in cells], SPACE.key)
        index.close()
    assert not stores.agree
    assert repair(stores.index, stores.parquet, target) == 2
    assert stores.agree


@pytest.mark.parametrize("target", ["lance", "delta"])
def test_a_lost_store_is_made_anew_from_the_other(stores: Stores, target: Target) -> None:
    before = MomentIndex(stores.index).moments(SPACE.key)
    stores.lose(stores.index if target == "lance" else stores.parquet)
    assert repair(stores.index, stores.parquet, target) == 4
    assert stores.agree
    assert MomentIndex(stores.index).moments(SPACE.key) == before
    assert [view.status for view in Catalogue(stores.index).assets()] == ["ready", "ready"]


def test_a_space_is_dropped_and_the_other_stays(stores: Stores) -> None:
    drop_space(stores.index, stores.parquet, OTHER_SPACE.key)
    assert stores.agree
    assert [space.key for space in MomentIndex(stores.index).spaces()] == [SPACE.key]
    recover_stores(stores.index, stores.parquet)  # there is nothing that a power cut could tear
    assert stores.agree


def test_letters_are_kept_marked_and_removed_with_their_asset(stores: Stores) -> None:
    sink = DeadLetterSink(stores.index, ManualClock())
    sink.open()
    list(sink.process(events(letter("clip"), letter("second"))))
    letters = DeadLetters(stores.index)
    (second,) = [item for item in letters.listed() if item.dead_letter.asset_id == "second"]
    letters.mark_replayed([second.dead_letter.letter_id])
    assert len(letters.listed(DeadLetterFilter(states=(DeadLetterState.REPLAYED,)))) == 1
    index = LanceSink(stores.index, ManualClock())
    index.open()
    told = list(index.process([asset_deleted(ref("clip", 9))]))
    index.close()
    list(sink.process([item for item in told if item.type == "rushes.content.retired.v1"]))
    sink.maintain(purge=True)
    sink.close()
    assert [item.dead_letter.asset_id for item in letters.listed(DeadLetterFilter(states=()))] == ["second"]
