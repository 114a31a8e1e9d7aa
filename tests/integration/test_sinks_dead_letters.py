"""Dead letters in their store: kept whole, filtered, counted over replays, gone with their asset."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from lance.fragment import write_fragments

from sinks.dead_letters import DEAD_LETTERS_TABLE, DeadLetterFilter, DeadLetters, DeadLetterSink, DeadLetterState
from sinks.lance.sink import LanceSink
from stream.clock import ManualClock
from stream.errors import BadEvent
from stream.events.dead_letter import MAX_REPLAYS, REPLAY_HEADER, DeadLetter
from stream.sessions import replay
from stream.sessions.session import RawRecord
from tests.support.annotations import annotations, asset_deleted, events, planned, ref, retired, version

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
def dead_letters(tmp_path: Path) -> DeadLetters:
    return DeadLetters(tmp_path)


def put(sink: DeadLetterSink, *items: DeadLetter) -> None:
    assert list(sink.process(events(*items))) == []


def listed(dead_letters: DeadLetters, wanted: DeadLetterFilter | None = None) -> list[str]:
    return [item.dead_letter.letter_id for item in dead_letters.listed(wanted)]


def test_no_store_has_no_letters(dead_letters: DeadLetters) -> None:
    assert (dead_letters.listed(), dead_letters.show("aaaa1111")) == ([], None)
    dead_letters.mark_replayed(["aaaa1111"])


def test_a_letter_is_kept_whole_and_listed_without_content(sink: DeadLetterSink, dead_letters: DeadLetters) -> None:
    put(sink, LETTER, LETTER)
    (item,) = dead_letters.listed()
    assert (item.dead_letter.value, item.dead_letter.headers, item.dead_letter.message) == (b"", {}, LETTER.message)
    whole = dead_letters.show("aaaa1111")
    assert whole is not None
    assert whole.dead_letter == LETTER
    assert dead_letters.show("aaaa11") == whole
    assert dead_letters.show("aaaa") is None


def test_filters(sink: DeadLetterSink, dead_letters: DeadLetters) -> None:
    other = replace(LETTER, letter_id="b", stage="plan", code="x", tenant="o'hara", asset_id="a'b", failed_at_ms=2000)
    put(sink, LETTER, other)
    assert listed(dead_letters) == ["b", "aaaa1111"]
    for wanted in (
        DeadLetterFilter(stage="plan"),
        DeadLetterFilter(code="x"),
        DeadLetterFilter(tenant="o'hara"),
        DeadLetterFilter(asset_id="a'b"),
        DeadLetterFilter(since_ms=2000),
        DeadLetterFilter(since_ms=1500, until_ms=2001),
    ):
        assert listed(dead_letters, wanted) == ["b"]
    assert listed(dead_letters, DeadLetterFilter(until_ms=2000)) == ["aaaa1111"]
    assert [item.dead_letter.letter_id for item in dead_letters.listed(limit=1)] == ["b"]
    assert dead_letters.count() == 2
    assert listed(dead_letters, DeadLetterFilter(tenant="' OR 'a'='a")) == []


def test_states_and_replays_are_kept_when_a_letter_comes_again(sink: DeadLetterSink, dead_letters: DeadLetters) -> None:
    put(sink, LETTER, replace(LETTER, letter_id="bbbb2222"))
    dead_letters.count_replay(dead_letters.whole(["aaaa1111"]))
    dead_letters.mark_replayed(["aaaa1111"])
    dead_letters.park(["bbbb2222"])
    put(sink, LETTER)
    assert listed(dead_letters) == []
    everything = DeadLetterFilter(states=())
    assert {item.dead_letter.letter_id: (item.state, item.replays) for item in dead_letters.listed(everything)} == {
        "aaaa1111": (DeadLetterState.REPLAYED, 1),
        "bbbb2222": (DeadLetterState.PARKED, 0),
    }


def test_the_count_goes_on_in_the_letter_of_a_replayed_record(sink: DeadLetterSink, dead_letters: DeadLetters) -> None:
    put(sink, LETTER)
    first = dead_letters.show("aaaa1111")
    assert first is not None
    assert first.replay_headers() == {**LETTER.headers, REPLAY_HEADER: b"aaaa1111"}
    dead_letters.count_replay([first])
    put(sink, replace(LETTER, letter_id="cccc3333", headers=first.replay_headers()))
    second = dead_letters.show("cccc3333")
    assert second is not None
    assert (second.replays, second.replay_headers()[REPLAY_HEADER]) == (1, b"cccc3333")
    dead_letters.count_replay([second])
    put(sink, replace(LETTER, letter_id="dddd4444", headers=second.replay_headers()))
    third = dead_letters.show("dddd4444")
    assert third is not None
    assert (third.state, third.replays) == (DeadLetterState.OPEN, 2)


@pytest.mark.parametrize("header", ["rushes_replays", REPLAY_HEADER])
@pytest.mark.parametrize("value", [b"3", b"9", b"' OR 'a'='a", b"aaaa1111", b"\xff"])
def test_no_header_of_a_producer_counts_as_a_replay(
    header: str, value: bytes, sink: DeadLetterSink, dead_letters: DeadLetters
) -> None:
    put(sink, LETTER)
    put(sink, replace(LETTER, letter_id="forged", headers={header: value}))
    assert {item.dead_letter.letter_id: (item.state, item.replays) for item in dead_letters.listed()} == {
        "aaaa1111": (DeadLetterState.OPEN, 0),
        "forged": (DeadLetterState.OPEN, 0),
    }


def test_what_failed_after_every_replay_is_parked(sink: DeadLetterSink, dead_letters: DeadLetters) -> None:
    for n in range(MAX_REPLAYS + 1):
        put(sink, replace(LETTER, letter_id=f"before{n}"))
        for _ in range(n):
            dead_letters.count_replay(dead_letters.whole([f"before{n}"]))
        put(sink, replace(LETTER, letter_id=f"after{n}", headers={REPLAY_HEADER: f"before{n}".encode()}))
    dead_letters.mark_replayed([f"before{n}" for n in range(MAX_REPLAYS + 1)])
    assert listed(dead_letters, DeadLetterFilter(states=(DeadLetterState.PARKED,))) == [f"after{MAX_REPLAYS}"]
    assert listed(dead_letters) == [f"after{n}" for n in range(MAX_REPLAYS)]


def test_a_replay_that_kills_counts_until_the_letter_is_parked(sink: DeadLetterSink, dead_letters: DeadLetters) -> None:
    put(sink, LETTER)
    for begun in range(MAX_REPLAYS):
        chosen = replay.Replay.of(dead_letters, DeadLetterFilter())
        (part,) = chosen.parts()
        assert [item.replays for item in part.dead_letters] == [begun]
        chosen.begin(part)  # and never comes to its end
    assert listed(dead_letters) == []
    assert listed(dead_letters, DeadLetterFilter(states=(DeadLetterState.PARKED,))) == ["aaaa1111"]


def test_a_replay_hands_out_bounded_parts_oldest_record_first(
    sink: DeadLetterSink, dead_letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "MAX_DEAD_LETTERS", 4)
    monkeypatch.setattr(replay, "MAX_BYTES", 5000)
    count = 11
    put(
        sink,
        *(
            replace(LETTER, letter_id=f"id{at:02}", offset=count - at, value=bytes(4000 if at == 0 else 10))
            for at in range(count)
        ),
    )
    sent: list[list[RawRecord]] = []
    feed = replay.Feed(replay.Replay.of(dead_letters, DeadLetterFilter()), lambda records: sent.append(list(records)))
    assert feed()
    assert feed.done == 0
    assert len(listed(dead_letters)) == count, "what is on its way is still open"
    while feed():
        assert all(len(part) <= 4 for part in sent)
    assert feed.done == count
    assert [len(record.value) for part in sent for record in part] == [10] * (count - 1) + [4000]
    assert listed(dead_letters) == []
    assert {item.replays for item in dead_letters.listed(DeadLetterFilter(states=()))} == {1}


def test_letters_go_with_their_asset_and_late_ones_do_not_stay(
    sink: DeadLetterSink, dead_letters: DeadLetters, tmp_path: Path
) -> None:
    late = replace(LETTER, letter_id="late", append_time_ms=version(5).append_ms)
    put(sink, LETTER, replace(LETTER, letter_id="other", asset_id="other"), late)
    index = LanceSink(tmp_path, ManualClock())
    index.open()
    list(index.process([*events(planned(), annotations()), asset_deleted(ref(number=2))]))
    list(sink.process(events(retired(2, None))))
    assert listed(dead_letters) == ["other"]
    put(sink, replace(LETTER, letter_id="later"))
    assert listed(dead_letters) == ["other"]
    put(sink, replace(LETTER, letter_id="new", event_type="rushes.asset.published.v1"))
    assert sorted(listed(dead_letters)) == ["new", "other"]
    sink.maintain(purge=True)
    assert sorted(listed(dead_letters)) == ["new", "other"]
    index.close()


def test_retired_content_leaves_letters_alone(sink: DeadLetterSink, dead_letters: DeadLetters) -> None:
    put(sink, LETTER)
    list(sink.process(events(retired(2, "content"))))
    assert listed(dead_letters) == ["aaaa1111"]


def test_other_events_are_refused(sink: DeadLetterSink) -> None:
    with pytest.raises(BadEvent):
        list(sink.process(events(planned())))


def test_tidying_leaves_what_another_process_is_about_to_commit(
    sink: DeadLetterSink, dead_letters: DeadLetters, tmp_path: Path
) -> None:
    """The stage writes letters while a person marks others, and both tidy."""
    put(sink, LETTER)
    path = tmp_path / f"{DEAD_LETTERS_TABLE}.lance"
    table = lance.dataset(path)
    row = table.to_table().to_pylist()[0] | {"letter_id": "bbbb2222"}
    before = table.version
    (written,) = write_fragments(pa.Table.from_pylist([row], schema=table.schema), path, mode="append")
    dead_letters.compact()
    sink.maintain()
    lance.LanceDataset.commit(path, lance.LanceOperation.Append([written]), read_version=before)
    found = dead_letters.show("bbbb2222")
    assert found is not None
    assert found.dead_letter == replace(LETTER, letter_id="bbbb2222")
