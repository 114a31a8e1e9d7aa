"""Dead letters in their store: kept whole, filtered, counted over replays, gone with their asset."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sinks.dead_letters import REPLAYS_HEADER, DeadLetters, DeadLetterSink, LetterFilter, LetterState
from sinks.lance_sink import LanceSink
from stream.clock import ManualClock
from stream.errors import BadEvent
from stream.events.dead_letter import DeadLetter
from tests.annotations import annotations, asset_deleted, events, planned, ref, retired, version

LETTER = DeadLetter(
    letter_id="aaaa1111",
    stage="decode",
    topic="spans",
    partition=0,
    offset=7,
    append_time_ms=version(1).append_ms,
    failed_at_ms=1000,
    attempts=4,
    code="corrupt",
    message="the bitstream is broken",
    tenant="acme",
    asset_id="clip",
    event_type="rushes.span.planned.v1",
    key=b"k\x00",
    value=b"\xff\x00payload",
    headers={"ce_id": b"1", "ce_type": b"rushes.span.planned.v1"},
)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[DeadLetterSink]:
    built = DeadLetterSink(tmp_path, ManualClock())
    built.open()
    yield built
    built.close()


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    return DeadLetters(tmp_path)


def put(sink: DeadLetterSink, *items: DeadLetter) -> None:
    assert list(sink.process(events(*items))) == []


def listed(letters: DeadLetters, wanted: LetterFilter | None = None) -> list[str]:
    return [item.letter.letter_id for item in letters.listed(wanted)]


def test_no_store_has_no_letters(letters: DeadLetters) -> None:
    assert (letters.listed(), letters.show("aaaa1111")) == ([], None)
    letters.mark_replayed(["aaaa1111"])


def test_a_letter_is_kept_whole_and_listed_without_content(sink: DeadLetterSink, letters: DeadLetters) -> None:
    put(sink, LETTER, LETTER)
    (item,) = letters.listed()
    assert (item.letter.value, item.letter.headers, item.letter.message) == (b"", {}, LETTER.message)
    whole = letters.show("aaaa1111")
    assert whole is not None
    assert whole.letter == LETTER
    assert letters.show("aaaa11") == whole
    assert letters.show("aaaa") is None


def test_filters(sink: DeadLetterSink, letters: DeadLetters) -> None:
    other = replace(LETTER, letter_id="b", stage="plan", code="x", tenant="o'hara", asset_id="a'b", failed_at_ms=2000)
    put(sink, LETTER, other)
    assert listed(letters) == ["b", "aaaa1111"]
    for wanted in (
        LetterFilter(stage="plan"),
        LetterFilter(code="x"),
        LetterFilter(tenant="o'hara"),
        LetterFilter(asset_id="a'b"),
        LetterFilter(since_ms=1500),
    ):
        assert listed(letters, wanted) == ["b"]
    assert listed(letters, LetterFilter(tenant="' OR 'a'='a")) == []


def test_states_and_replays_are_kept_when_a_letter_comes_again(sink: DeadLetterSink, letters: DeadLetters) -> None:
    put(sink, LETTER, replace(LETTER, letter_id="bbbb2222"))
    letters.mark_replayed(["aaaa1111"])
    letters.park(["bbbb2222"])
    put(sink, LETTER)
    assert listed(letters) == []
    everything = LetterFilter(states=())
    assert {item.letter.letter_id: (item.state, item.replays) for item in letters.listed(everything)} == {
        "aaaa1111": (LetterState.REPLAYED, 1),
        "bbbb2222": (LetterState.PARKED, 0),
    }


def test_the_count_goes_on_in_the_letter_of_a_replayed_record(sink: DeadLetterSink, letters: DeadLetters) -> None:
    put(sink, LETTER)
    first = letters.show("aaaa1111")
    assert first is not None
    assert first.replay_headers() == {**LETTER.headers, REPLAYS_HEADER: b"1"}
    put(sink, replace(LETTER, letter_id="cccc3333", headers=first.replay_headers()))
    second = letters.show("cccc3333")
    assert second is not None
    assert (second.replays, second.replay_headers()[REPLAYS_HEADER]) == (1, b"2")


def test_letters_go_with_their_asset_and_late_ones_do_not_stay(
    sink: DeadLetterSink, letters: DeadLetters, tmp_path: Path
) -> None:
    late = replace(LETTER, letter_id="late", append_time_ms=version(5).append_ms)
    put(sink, LETTER, replace(LETTER, letter_id="other", asset_id="other"), late)
    index = LanceSink(tmp_path, ManualClock())
    index.open()
    list(index.process([*events(planned(), annotations()), asset_deleted(ref(number=2))]))
    list(sink.process(events(retired(2, None))))
    assert listed(letters) == ["other"]
    put(sink, replace(LETTER, letter_id="later"))
    assert listed(letters) == ["other"]
    put(sink, replace(LETTER, letter_id="new", event_type="rushes.asset.published.v1"))
    assert sorted(listed(letters)) == ["new", "other"]
    sink.maintain(purge=True)
    assert sorted(listed(letters)) == ["new", "other"]
    index.close()


def test_retired_content_leaves_letters_alone(sink: DeadLetterSink, letters: DeadLetters) -> None:
    put(sink, LETTER)
    list(sink.process(events(retired(2, "content"))))
    assert listed(letters) == ["aaaa1111"]


def test_other_events_are_refused(sink: DeadLetterSink) -> None:
    with pytest.raises(BadEvent):
        list(sink.process(events(planned())))
