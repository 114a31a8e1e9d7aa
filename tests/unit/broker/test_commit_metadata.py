"""What an owner leaves for the next one: a death is noticed, a record that kills is found, an innocent never is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.broker.acks import PartitionAcks
from stream.broker.kafka.commit_metadata import MAX_METADATA_BYTES, REACH, CommitMetadata, take_over

notes = st.builds(
    CommitMetadata,
    acked=st.binary(max_size=40).map(lambda raw: raw.rstrip(b"\0")),
    open=st.booleans(),
    deaths=st.integers(0, 9),
    trial=st.none() | st.integers(0, 2**40),
    trial_deaths=st.integers(0, 9),
    trying=st.booleans(),
)


@given(notes)
def test_a_note_survives_the_commit(note: CommitMetadata) -> None:
    read = CommitMetadata.from_text(note.to_text())
    assert read.acked == note.acked
    assert (read.open, read.deaths, read.trial) == (note.open, note.deaths, note.trial)
    assert read.trial_deaths == (note.trial_deaths if note.trial is not None else 0)
    assert read.trying == (note.trying and note.trial is not None)


@given(st.binary(min_size=2000, max_size=20_000))
def test_a_long_bitmap_loses_its_tail_only(acked: bytes) -> None:
    text = CommitMetadata(acked=acked, open=True, deaths=1, trial=2**50, trial_deaths=2).to_text()
    assert len(text) <= MAX_METADATA_BYTES
    assert CommitMetadata.from_text(text).acked_offsets(7) <= CommitMetadata(acked=acked).acked_offsets(7)
    assert acked.startswith(CommitMetadata.from_text(text).acked)


@pytest.mark.parametrize("text", [None, "", "nonsense", "[]", '{"acked": 3}', '{"acked": "?"}', '{"deaths": "x"}'])
def test_foreign_metadata_says_nothing(text: str | None) -> None:
    assert CommitMetadata.from_text(text) == CommitMetadata()


@given(st.lists(st.integers(0, 30), unique=True, max_size=20).map(sorted), st.data())
def test_what_was_acknowledged_is_not_done_again(delivered: list[int], data: st.DataObject) -> None:
    acks = PartitionAcks(0)
    for offset in delivered:
        acks.delivered(offset)
    acked = data.draw(st.sets(st.sampled_from(delivered))) if delivered else set()
    for offset in acked:
        acks.ack(offset)
    start = take_over(acks.position, CommitMetadata.from_text(CommitMetadata(acked=acks.bitmap(), open=True).to_text()))
    again = PartitionAcks(start.position, start.acked)
    assert [offset for offset in delivered if offset >= start.position and again.arrived(offset)] == acks.unacked()


def test_a_clean_leave_holds_nothing_against_anybody() -> None:
    start = take_over(5, CommitMetadata(open=False, deaths=0))
    assert start.note.open
    assert start.deaths(5) is None


def test_one_death_is_an_accident() -> None:
    start = take_over(5, CommitMetadata(open=True))
    assert start.note.deaths == 1
    assert start.deaths(5) is None


def test_from_the_second_death_without_a_step_on_records_are_tried_alone() -> None:
    first = take_over(5, CommitMetadata(open=True))
    second = take_over(5, first.note)
    assert second.deaths(5) == 0
    assert second.deaths(5 + 1000) is None


def test_deaths_alone_are_counted_for_the_record_that_was_tried() -> None:
    note = CommitMetadata(open=True, deaths=2, trial=6, trial_deaths=0, trying=True)
    for count in (1, 2, 3):
        start = take_over(5, note)
        assert start.deaths(6) == count
        assert start.deaths(5) == 0
        note = replace(start.note, trying=True)


def test_who_dies_before_it_tries_proves_nothing() -> None:
    """While it joined, or while a store was away."""
    note = take_over(5, CommitMetadata(open=True, deaths=2, trial=6, trial_deaths=1, trying=True)).note
    for _ in range(9):
        note = take_over(5, note).note
        assert (note.trial, note.trial_deaths) == (6, 2)
    assert take_over(5, note).deaths(6) == 2


@pytest.mark.parametrize(("position", "acked"), [(7, b""), (6, b"\x01")])
def test_a_trial_that_ended_well_is_forgotten(position: int, acked: bytes) -> None:
    start = take_over(position, CommitMetadata(acked=acked, open=True, trial=6, trial_deaths=2, trying=True))
    assert start.note.trial is None
    assert start.deaths(position + 1) is None


def test_whoever_reads_far_ahead_is_suspected_as_far() -> None:
    left = CommitMetadata(acked=CommitMetadata(acked=b"").acked, open=True, deaths=1)
    assert take_over(5, left).deaths(5 + 10_000) is None
    assert take_over(5, left, 16_384).deaths(5 + 10_000) == 0


def test_all_within_reach_fits_a_note() -> None:
    acked = b"\xff" * (REACH // 8)
    text = CommitMetadata(acked=acked, open=True, deaths=10**6, trial=2**62, trial_deaths=10**6, trying=True).to_text()
    assert CommitMetadata.from_text(text).acked == acked


@pytest.mark.parametrize(
    ("noted", "position", "topic_id", "of_another"),
    [
        ("a", 3, "a", False),
        ("a", 3, "b", True),
        ("a", 0, "b", True),
        ("a", 99, "a", False),  # a leader that has just changed may not know its end yet
        ("", 3, "b", False),
        ("", 10, "b", False),
        ("", 11, "b", True),
        ("a", 3, "", False),
        ("a", 11, "", True),
    ],
)
def test_a_commit_knows_which_topic_it_is_of(noted: str, position: int, topic_id: str, of_another: bool) -> None:
    note = CommitMetadata.from_text(CommitMetadata(topic=noted).to_text())
    assert note.topic == noted
    assert note.of_another(position, topic_id, end=10) is of_another
