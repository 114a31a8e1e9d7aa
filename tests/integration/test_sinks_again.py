"""What the index said of a batch is said again when the batch comes again: who said it first may have been killed."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.lance.sink import LanceSink
from stream.clock import ManualClock
from stream.events.asset import AssetChanged, AssetPublished, ContentRetired, SegmentFailed, SegmentProgressed
from stream.events.base import Event
from tests.support.annotations import annotations, asset_deleted, asset_failed, events, planned, ref, segment_failed


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[LanceSink]:
    built = LanceSink(tmp_path, ManualClock())
    built.open()
    yield built
    built.close()


def told(sink: LanceSink, batch: list[Event]) -> dict[str, str]:
    """What a batch leads to beside progress, in short, by the ids of the events."""
    return {item.id: short(item) for item in sink.process(batch) if not isinstance(item.data, SegmentProgressed)}


def short(item: Event) -> str:
    match item.data:
        case AssetChanged():
            return f"{item.data.asset.version.offset} {item.data.status.value}"
        case AssetPublished():
            return "replan"
        case ContentRetired():
            return f"retired {item.data.up_to.offset}"
    raise AssertionError(item.type)


def superseded(number: int, segment: int, content: str = "a") -> SegmentFailed:
    return segment_failed(ref(number=number), segment, content=content).model_copy(update={"outcome": "superseded"})


def test_a_final_status_that_a_failure_led_to(sink: LanceSink) -> None:
    sink.process(events(planned(of=2), annotations(of=2)))
    last = events(segment_failed(segment=1))
    assert list(told(sink, last).values()) == ["1 partial"]
    assert list(told(sink, last).values()) == ["1 partial"]


def test_a_replan_that_a_changed_source_led_to(sink: LanceSink) -> None:
    sink.process(events(planned(of=2), annotations(of=2)))
    last = events(superseded(1, 1))
    first = told(sink, last)
    assert list(first.values()) == ["1 partial", "replan"]
    assert told(sink, last) == first
    sink.process(events(planned(ref(number=2), content="b")))
    assert list(told(sink, last).values()) == ["1 partial"], "plan has looked since"


@pytest.mark.parametrize("last", [annotations(segment=1, of=2), segment_failed(segment=1)])
def test_a_later_version_that_waited_for_the_cell(sink: LanceSink, last: object) -> None:
    sink.process(events(planned(of=2), annotations(of=2), planned(ref(number=2), of=2, assumed=(0, 1))))
    batch = events(last)  # type: ignore[arg-type]  # pytest's parameters have no types
    first = told(sink, batch)
    assert any(item.startswith("2 ") for item in first.values())
    assert told(sink, batch) == first


def test_versions_that_it_does_not_concern_are_not_spoken_of(sink: LanceSink) -> None:
    sink.process(events(planned(of=2), annotations(of=2), segment_failed(segment=1)))
    sink.process(events(planned(ref(number=2), of=2, assumed=(0,)), planned(ref(number=3), content="b")))
    sink.process(events(planned(ref("other"))))
    assert list(told(sink, events(segment_failed(segment=1))).values()) == ["1 partial"]
    assert list(told(sink, events(annotations(of=2))).values()) == ["1 partial", "2 planned"]


def test_two_revisions_of_a_cell_in_one_batch_are_no_repetition(sink: LanceSink) -> None:
    sink.process(events(planned(of=2)))
    assert told(sink, events(annotations(of=2), annotations(of=2, revision=1))) == {}


def test_a_replan_that_a_retirement_led_to(sink: LanceSink) -> None:
    """The old content was published again before the new one was complete, so plan relied on what then went."""
    newer = ref(number=2)
    sink.process(events(planned(of=2), annotations(of=2), segment_failed(segment=1)))
    sink.process(events(planned(newer, content="b", of=1), planned(ref(number=3), of=2, assumed=(0,))))
    batch = events(annotations(newer, content="b", of=1))
    first = told(sink, batch)
    assert sorted(first.values()) == ["2 ready", "replan", "retired 2"]
    assert first.keys() <= told(sink, batch).keys()


HISTORY = events(
    planned(of=2),
    annotations(of=2),
    segment_failed(segment=1),
    asset_failed(ref(number=2)),
    planned(ref(number=3), content="b", of=2),
    annotations(ref(number=3), of=2, content="b"),
    superseded(3, 1, "b"),
    planned(ref(number=4), of=2, assumed=(0, 1)),
    annotations(ref(number=4), 1, of=2),
    planned(ref(number=5), content="b", of=2, assumed=(0, 1)),
    annotations(ref(number=5), 1, of=2, content="b"),
    planned(ref(number=6), of=2, assumed=(0, 1)),
    asset_deleted(ref(number=7)),
    planned(ref(number=8), of=2, assumed=(1,)),
    annotations(ref(number=8), of=2),
)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_batch_led_to_in_any_order(sink: LanceSink, seed: int) -> None:
    chance = random.Random(seed)
    shuffled = chance.sample(HISTORY, len(HISTORY)) if seed else HISTORY
    while shuffled:
        count = chance.randint(1, 3)
        batch, shuffled = shuffled[:count], shuffled[count:]
        first, again = told(sink, batch), told(sink, batch)
        assert first.keys() <= again.keys(), (first, again)
