"""What only the memory broker promises: freeing, quiescence, append floors, sticky assignment."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.broker.contract import Record, TopicSpec
from stream.broker.memory.assignment import assign
from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock, SystemClock
from stream.errors import Fatal


def broker_with(*, partitions: int = 1, keep_unclaimed: bool = True) -> MemoryBroker:
    broker = MemoryBroker(ManualClock(), keep_unclaimed=keep_unclaimed)
    broker.ensure([TopicSpec("t", partitions)])
    return broker


def send(broker: MemoryBroker, count: int, value: bytes = b"v") -> None:
    for number in range(count):
        broker.producer().send("t", b"%d" % number, value, {})


def test_memory_is_freed_once_all_groups_acknowledged_even_out_of_order() -> None:
    broker = broker_with()
    for group in ("a", "b"):
        broker.declare("t", group)
    send(broker, 3)
    a, b = broker.consumer(["t"], "a"), broker.consumer(["t"], "b")
    records_a, records_b = a.poll(3, 0), b.poll(3, 0)
    a.ack(records_a)
    assert broker.kept("t").records == 3
    b.ack(records_b[1:])
    assert broker.kept("t").records == 1
    b.ack(records_b[:1])
    assert (broker.kept("t").records, broker.kept("t").bytes) == (0, 0)


def test_a_fast_producer_and_a_slow_consumer_hold_only_the_backlog() -> None:
    broker = broker_with()
    consumer = broker.consumer(["t"], "g")
    peak = 0
    for _ in range(200):
        send(broker, 3, b"x" * 100)
        consumer.ack(consumer.poll(3, 0))
        peak = max(peak, broker.kept("t").bytes)
    assert peak <= 3 * 101
    assert broker.kept("t").records == 0


def test_where_order_does_not_count_the_member_with_least_gets_the_next_record() -> None:
    broker = MemoryBroker(ManualClock())
    broker.ensure([TopicSpec("t", 4, in_any_order=True)])
    first, second = broker.consumer(["t"], "g"), broker.consumer(["t"], "g")
    producer = broker.producer()

    def sent(count: int) -> tuple[int, int]:
        for _ in range(count):
            producer.send("t", b"one key for all", b"v", {})
        taken = first.poll(9, 0), second.poll(9, 0)
        of_second.extend(taken[1])
        return len(taken[0]), len(taken[1])

    of_second: list[Record] = []
    assert sent(6) == (3, 3)
    second.ack(of_second[:2])
    # It has one record now, the other member three.
    assert sent(2) == (0, 2)
    assert sent(2) == (1, 1)


def test_what_a_member_has_of_other_topics_counts_too() -> None:
    broker = MemoryBroker(ManualClock())
    broker.ensure([TopicSpec("t", 2, in_any_order=True), TopicSpec("urgent", 2, in_any_order=True)])
    members = [broker.consumer(["urgent", "t"], "g") for _ in range(2)]
    producer = broker.producer()
    producer.send("urgent", b"key", b"v", {})
    busy, idle = sorted(members, key=lambda member: -len(member.poll(9, 0)))
    producer.send("t", b"key", b"v", {})
    assert [len(busy.poll(9, 0)), len(idle.poll(9, 0))] == [0, 1]


def test_without_a_member_records_lie_evenly() -> None:
    broker = MemoryBroker(ManualClock())
    broker.ensure([TopicSpec("t", 4, in_any_order=True)])
    broker.declare("t", "g")
    for _ in range(8):
        broker.producer().send("t", b"one key for all", b"v", {})
    first, second = broker.consumer(["t"], "g"), broker.consumer(["t"], "g")
    assert (len(first.poll(9, 0)), len(second.poll(9, 0))) == (4, 4)


@pytest.mark.parametrize(("keep", "kept"), [(True, 2), (False, 0)])
def test_a_topic_nobody_consumes(keep: bool, kept: int) -> None:
    broker = broker_with(keep_unclaimed=keep)
    send(broker, 2)
    assert broker.kept("t").records == kept
    consumer = broker.consumer(["t"], "g")
    assert [record.offset for record in consumer.poll(5, 0)] == list(range(kept))
    send(broker, 1)
    assert [record.offset for record in consumer.poll(5, 0)] == [2]


def test_a_late_group_starts_at_the_first_kept_record() -> None:
    broker = broker_with()
    early = broker.consumer(["t"], "early")
    send(broker, 4)
    records = early.poll(4, 0)
    early.ack([records[0], records[2]])
    late = broker.consumer(["t"], "late")
    assert broker.backlog("t", "late").records == 2
    taken = late.poll(9, 0)
    assert [record.offset for record in taken] == [1, 3]
    late.ack(taken)
    early.ack(records)
    assert broker.kept("t").records == 0


def test_redelivery_comes_before_new_records_in_offset_order() -> None:
    broker = broker_with()
    first = broker.consumer(["t"], "g")
    send(broker, 5)
    first.poll(4, 0)
    first.close()
    second = broker.consumer(["t"], "g")
    assert [record.offset for record in second.poll(2, 0)] == [0, 1]
    second.close()
    third = broker.consumer(["t"], "g")
    assert [record.offset for record in third.poll(9, 0)] == [0, 1, 2, 3, 4]


def test_oldest_append_time_follows_the_oldest_unacknowledged() -> None:
    clock = ManualClock(1000)
    broker = MemoryBroker(clock)
    broker.ensure([TopicSpec("t")])
    consumer = broker.consumer(["t"], "g")
    for _ in range(3):
        send(broker, 1)
        clock.advance(1)
    assert broker.backlog("t", "g").oldest_append_time_ms == 1000
    records = consumer.poll(2, 0)
    consumer.ack(records[:1])
    assert broker.backlog("t", "g").oldest_append_time_ms == 2000
    consumer.ack(records[1:])
    assert broker.backlog("t", "g").oldest_append_time_ms == 3000


def test_append_times_respect_the_floor_and_never_go_back() -> None:
    broker = MemoryBroker(ManualClock(5000), append_floor_ms=9000)
    broker.ensure([TopicSpec("t")])
    consumer = broker.consumer(["t"], "g")
    send(broker, 2)
    assert [record.append_time_ms for record in consumer.poll(2, 0)] == [9000, 9000]


def test_quiescent_needs_every_declared_group() -> None:
    broker = broker_with()
    broker.declare("t", "a")
    broker.declare("t", "b")
    assert broker.quiescent()
    send(broker, 1)
    a, b = broker.consumer(["t"], "a"), broker.consumer(["t"], "b")
    a.ack(a.poll(1, 0))
    assert not broker.quiescent()
    assert not broker.wait_quiescent(0)
    in_hand = b.poll(1, 0)
    assert not broker.quiescent()
    waiter = threading.Thread(target=b.ack, args=(in_hand,))
    waiter.start()
    assert broker.wait_quiescent(20)
    waiter.join()


def test_poll_wakes_up_for_a_record_and_for_close() -> None:
    broker = broker_with()
    consumer = broker.consumer(["t"], "g")
    clock = SystemClock()
    started_s = clock.monotonic_s()
    sender = threading.Thread(target=send, args=(broker, 1))
    sender.start()
    assert len(consumer.poll(1, 60)) == 1
    closer = threading.Thread(target=consumer.close)
    closer.start()
    assert consumer.poll(1, 60) == []
    assert clock.monotonic_s() - started_s < 60
    sender.join()
    closer.join()


def test_unknown_topic_is_fatal() -> None:
    broker = broker_with()
    with pytest.raises(Fatal):
        broker.producer().send("nowhere", b"", b"", {})
    with pytest.raises(Fatal):
        broker.consumer(["nowhere"], "g")


def test_the_partition_override_applies_to_every_topic() -> None:
    broker = MemoryBroker(ManualClock(), partitions=2)
    spec = TopicSpec("t", partitions=7)
    broker.ensure([spec])
    broker.ensure([spec])
    consumer = broker.consumer(["t"], "g")
    send(broker, 100)
    assert {record.partition for record in consumer.poll(100, 0)} == {0, 1}


@given(st.integers(0, 12), st.lists(st.integers(0, 20), unique=True, max_size=6), st.data())
def test_assignment_is_total_balanced_and_sticky(count: int, members: list[int], data: st.DataObject) -> None:
    current = data.draw(st.dictionaries(st.integers(0, 12), st.integers(0, 20)))
    owners = assign(range(count), members, current)
    if not members:
        assert owners == {}
        return
    assert set(owners) == set(range(count))
    loads = [list(owners.values()).count(member) for member in members]
    assert max(loads) - min(loads) <= 1
    assert assign(range(count), members, owners) == owners


@given(st.integers(1, 12), st.integers(1, 5))
def test_a_leaving_member_moves_only_its_own_partitions(count: int, size: int) -> None:
    before = assign(range(count), range(size + 1), {})
    after = assign(range(count), range(size), before)
    assert all(after[partition] == owner for partition, owner in before.items() if owner < size)
