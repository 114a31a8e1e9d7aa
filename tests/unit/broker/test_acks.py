"""Ack watermark: for any order, duplicates and gaps, the position never passes an unacknowledged offset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.broker.acks import AckTracker, PartitionAcks
from stream.broker.contract import Record

offsets = st.lists(st.integers(0, 200), unique=True, max_size=40).map(sorted)


def record(offset: int, *, partition: int = 0, epoch: int = 1) -> Record:
    return Record("t", partition, offset, b"", b"", epoch=epoch)


@given(offsets, st.data())
def test_position_is_lowest_unacked_or_end(delivered: list[int], data: st.DataObject) -> None:
    acks = PartitionAcks(0)
    for offset in delivered:
        acks.delivered(offset)
    acked: set[int] = set()
    for offset in data.draw(st.lists(st.integers(-1, 201), max_size=80)):
        assert acks.ack(offset) is (offset in delivered and offset not in acked)
        if offset in delivered:
            acked.add(offset)
    missing = [offset for offset in delivered if offset not in acked]
    assert acks.position == (missing[0] if missing else (delivered[-1] + 1 if delivered else 0))
    assert acks.unacked() == missing


@given(offsets.filter(bool), st.data())
def test_bitmap_tells_the_acked_set_above_the_position(delivered: list[int], data: st.DataObject) -> None:
    acks = PartitionAcks(0)
    for offset in delivered:
        acks.delivered(offset)
    acked = data.draw(st.sets(st.sampled_from(delivered)))
    for offset in acked:
        acks.ack(offset)
    bits = int.from_bytes(acks.bitmap(), "little")
    read = {acks.position + index for index in range(bits.bit_length()) if bits >> index & 1}
    assert read == {offset for offset in acked if offset > acks.position}


def test_what_was_deleted_counts_as_acknowledged_but_for_what_is_in_hand() -> None:
    acks = PartitionAcks(0, acked={4, 6, 9})
    for offset in (0, 1):
        acks.delivered(offset)
    acks.ack(1)
    assert acks.deleted_below(8) == 4  # 2, 3, 5, 7
    assert acks.position == 0
    assert [acks.arrived(offset) for offset in (7, 8, 9)] == [False, True, False]
    acks.ack(8)
    assert acks.position == 0
    acks.ack(0)
    assert acks.position == 10


@pytest.mark.parametrize(("low", "gone", "position"), [(3, 0, 5), (5, 0, 5), (6, 1, 8)])
def test_with_nothing_in_hand_the_position_follows_what_is_kept(low: int, gone: int, position: int) -> None:
    acks = PartitionAcks(5, acked={6, 7})
    assert (acks.deleted_below(low), acks.position) == (gone, position)


def test_an_offset_in_a_gap_is_no_ack() -> None:
    acks = PartitionAcks(0)
    for offset in (0, 5):
        acks.delivered(offset)
    assert not acks.ack(3)
    assert acks.position == 0
    assert acks.bitmap() == b""


def test_delivery_goes_forward_only() -> None:
    acks = PartitionAcks(7)
    with pytest.raises(ValueError, match="offset 6"):
        acks.delivered(6)


def test_stale_epoch_and_foreign_partition_are_ignored() -> None:
    tracker = AckTracker()
    tracker.assign(("t", 0), epoch=2, start=5)
    tracker.delivered(record(5, epoch=2))
    assert not tracker.ack(record(5, epoch=1))
    assert not tracker.ack(record(5, partition=1, epoch=2))
    assert tracker.positions() == {("t", 0): 5}
    assert tracker.ack(record(5, epoch=2))
    assert tracker.positions() == {("t", 0): 6}


def test_revoke_returns_the_position_once_and_drops_the_state() -> None:
    tracker = AckTracker()
    tracker.assign(("t", 0), epoch=1, start=0)
    for offset in (0, 1, 2):
        tracker.delivered(record(offset))
    tracker.ack(record(0))
    tracker.ack(record(2))
    assert tracker.revoke(("t", 0)) == 1
    assert tracker.revoke(("t", 0)) is None
    assert not tracker.owns(record(1))
    assert not tracker.ack(record(1))
    assert tracker.positions() == {}
