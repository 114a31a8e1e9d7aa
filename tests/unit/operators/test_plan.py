"""The plan operator over an inspector and a ledger that are plain values."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest
from pydantic import ValidationError

from stream.errors import BadMedia, Superseded
from stream.events.asset import (
    AssetDeleted,
    AssetFailed,
    AssetPlanned,
    AssetPublished,
    DecodeSettings,
    Media,
    Outcome,
    SegmentProgressed,
    SourceVersion,
    SpanPlanned,
)
from stream.events.base import Event, Payload, Position
from stream.events.grid import SECOND_NS
from stream.events.ids import segment_id
from stream.operators.plan import PlanOperator
from stream.worker.outstanding import PartName
from tests.support.planning import media_of

P = TypeVar("P", bound=Payload)
SOURCE = SourceVersion(size_bytes=1000, tag="v1")
MEDIA = media_of(35 * SECOND_NS)


@dataclass(frozen=True)
class Found:
    content_digest: str = "c1"
    source: SourceVersion = SOURCE
    keyframes_ns: tuple[int, ...] = (0,)
    media: Media = MEDIA


@dataclass
class Shelf:
    """An inspector whose content can change."""

    found: Found = field(default_factory=Found)

    def inspect(self, uri: str, tenant: str) -> Found:
        return self.found


@dataclass
class Receipts:
    known: dict[str, Outcome] = field(default_factory=dict)

    def outcomes(self, segment_ids: Sequence[str]) -> dict[str, Outcome]:
        return {name: self.known[name] for name in segment_ids if name in self.known}


def two_cells(media: Media, keyframes: Sequence[int], wanted: Sequence[int], profile: str) -> list[range]:
    return [range(cell, cell + 1) for cell in wanted]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def receipts() -> Receipts:
    return Receipts()


@pytest.fixture
def operator(shelf: Shelf, receipts: Receipts) -> PlanOperator:
    return PlanOperator(shelf, receipts, two_cells)


def published(offset: int, **fields: object) -> Event[AssetPublished]:
    data = AssetPublished.model_validate({"uri": "/a.mp4", "asset_id": "a", **fields})
    return event(data, offset)


def event(data: P, offset: int) -> Event[P]:
    return Event(
        data=data,
        tenant="t",
        project="p",
        subject="a",
        event_time_ms=1_700_000_000_000,
        position=Position("assets", 0, offset, 1_700_000_000_000),
    )


def spans(events: list[Event]) -> list[int]:
    return [item.data.first_segment for item in events if isinstance(item.data, SpanPlanned)]


def planned(events: list[Event]) -> AssetPlanned:
    data = events[0].data
    assert isinstance(data, AssetPlanned)
    return data


def test_announces_the_plan_before_any_span(operator: PlanOperator) -> None:
    out = list(operator.process([published(0)]))
    assert planned(out).segment_count == 4
    assert spans(out) == [0, 1, 2, 3]
    progress = [item.data for item in out if isinstance(item.data, SegmentProgressed)]
    assert [(item.segment, item.video_ns // SECOND_NS) for item in progress] == [(0, 10), (1, 10), (2, 10), (3, 5)]


def test_event_ids_are_deterministic(operator: PlanOperator, shelf: Shelf, receipts: Receipts) -> None:
    first = [item.id for item in operator.process([published(0)])]
    again = [item.id for item in PlanOperator(shelf, receipts, two_cells).process([published(0)])]
    assert first == again
    assert len(set(first)) == len(first)


def test_same_content_while_outstanding_plans_nothing(operator: PlanOperator) -> None:
    list(operator.process([published(0)]))
    out = list(operator.process([published(1)]))
    assert spans(out) == []
    assert planned(out).assumed_done == (0, 1, 2, 3)


def test_what_becomes_durable_while_plan_looks_is_not_planned_again(shelf: Shelf, receipts: Receipts) -> None:
    """A cell is on its way no more for one of two reasons, and only one of them is a loss."""

    def coming(names: Collection[PartName]) -> set[PartName]:
        receipts.known = {segment_id(key, 1): Outcome.DONE}
        return {name for name in names if name.part == 3}

    operator = PlanOperator(shelf, receipts, two_cells)
    operator.ask(coming)
    key = planned(list(operator.process([published(0)]))).content_key
    out = list(operator.process([published(1)]))
    assert spans(out) == [0, 2]
    assert planned(out).assumed_done == (1, 3)


def test_plans_only_what_the_ledger_lacks(operator: PlanOperator, receipts: Receipts) -> None:
    key = planned(list(operator.process([published(0)]))).content_key
    receipts.known = {segment_id(key, 0): Outcome.DONE, segment_id(key, 1): Outcome.FAILED}
    out = list(operator.process([published(1)]))
    assert spans(out) == [1]
    assert planned(out).assumed_done == (0, 2, 3)


def test_a_publication_that_comes_again_plans_again_what_it_had_planned(operator: PlanOperator) -> None:
    """The broker refused its outputs: no span of it may exist."""
    first = [item.id for item in operator.process([published(0)])]
    list(operator.process([published(1)]))
    assert [item.id for item in operator.process([published(0)])] == first
    again = list(operator.process([published(1)]))
    assert (spans(again), planned(again).assumed_done) == ([], (0, 1, 2, 3))


def test_a_replan_counts_on_nothing_but_the_ledger(operator: PlanOperator, receipts: Receipts) -> None:
    """What was planned long ago was swept since, or another planning process had it."""
    key = planned(list(operator.process([published(0)]))).content_key
    receipts.known = {segment_id(key, 0): Outcome.DONE}
    assert spans(list(operator.process([published(1)]))) == []
    assert spans(list(operator.process([published(2, replan=True)]))) == [1, 2, 3]
    assert spans(list(operator.process([published(3)]))) == []


def test_changed_content_is_another_content_key(operator: PlanOperator, shelf: Shelf) -> None:
    before = planned(list(operator.process([published(0)])))
    shelf.found = Found(content_digest="c2")
    out = list(operator.process([published(1)]))
    assert planned(out).content_key != before.content_key
    assert spans(out) == [0, 1, 2, 3]


def test_back_to_earlier_content_plans_it_again(operator: PlanOperator, shelf: Shelf) -> None:
    list(operator.process([published(0)]))
    shelf.found = Found(content_digest="c2")
    list(operator.process([published(1)]))
    shelf.found = Found()
    assert spans(list(operator.process([published(2)]))) == [0, 1, 2, 3]


def test_deletion_forgets_what_is_outstanding(operator: PlanOperator) -> None:
    list(operator.process([published(0)]))
    out = list(operator.process([event(AssetDeleted(asset_id="a"), 1)]))
    assert isinstance(out[0].data, AssetDeleted)
    assert out[0].data.version == (1_700_000_000_000, 1)
    assert spans(list(operator.process([published(2)]))) == [0, 1, 2, 3]


def test_profiles_and_tenants_do_not_share_content(operator: PlanOperator) -> None:
    full = planned(list(operator.process([published(0)])))
    fast = planned(list(operator.process([published(1, profile="fast")])))
    assert full.content_key != fast.content_key


def test_a_size_that_disagrees_is_superseded(operator: PlanOperator) -> None:
    with pytest.raises(Superseded, match="1000"):
        list(operator.process([published(0, size_bytes=999)]))


def test_a_failure_tells_the_asset(operator: PlanOperator) -> None:
    error = BadMedia("no video stream", code="no_video")
    (out,) = operator.failed(published(3), error)
    assert isinstance(out.data, AssetFailed)
    assert (out.data.asset.asset_id, out.data.code, out.data.asset.version.offset) == ("a", "no_video", 3)


@pytest.mark.parametrize(("dense", "split_ns"), [(True, 7), (False, None)])
def test_a_span_says_where_two_processes_may_share_it(
    shelf: Shelf, receipts: Receipts, dense: bool, split_ns: int | None
) -> None:
    """Without a dense view most of it is not decoded at all."""
    shelf.found = replace(shelf.found, media=shelf.found.media.model_copy(update={"duration_ns": 5 * SECOND_NS}))
    operator = PlanOperator(shelf, receipts, two_cells, dense=dense, split=lambda *_: 7)
    (span,) = (item.data for item in operator.process([published(0)]) if isinstance(item.data, SpanPlanned))
    assert span.settings.split_ns == split_ns


def test_only_the_only_cell_of_an_asset_is_shared(shelf: Shelf, receipts: Receipts) -> None:
    operator = PlanOperator(shelf, receipts, two_cells)
    span = next(item.data for item in operator.process([published(0)]) if isinstance(item.data, SpanPlanned))
    split = span.settings.model_copy(update={"split_ns": 7})
    with pytest.raises(ValidationError, match="only cell"):
        SpanPlanned.model_validate(span.model_dump() | {"settings": split.model_dump()})
    with pytest.raises(ValidationError):
        DecodeSettings(split_ns=0)
