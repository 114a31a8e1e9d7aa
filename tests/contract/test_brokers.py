"""What every broker promises. Tests drive `poll` with deadlines generous enough for a real one; none sleeps."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from stream.broker.contract import Record
from stream.clock import SystemClock
from stream.errors import BadEvent, Fatal
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.events.murmur2 import partition_of
from stream.observability.metrics import Metrics
from stream.topology.codec import encode
from stream.topology.stage import Stage
from stream.topology.topics import Topic
from stream.worker.pace import Pace
from stream.worker.worker import Worker
from tests.support.topics_of_own import SINGLE, SMALL, WAIT_S, Bench, numbers, read
from tests.support.worker_kit import Scripted


def test_records_arrive_whole_and_in_order_within_a_partition(bench: Bench) -> None:
    bench.send(bench.many, 50)
    consumer = bench.broker.consumer([bench.many], bench.group)
    records = read(consumer, 50)
    assert sorted(numbers(records)) == list(range(50))
    assert {record.key for record in records} == {b"key-%d" % number for number in range(50)}
    assert {record.value for record in records} == {b"v"}
    for partition in range(SMALL.partitions):
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == sorted(set(offsets))
        assert len(offsets) > 1
    consumer.close()


def test_one_key_keeps_to_one_partition_and_append_times_never_go_back(bench: Bench) -> None:
    bench.send(bench.many, 20, key=b"same")
    consumer = bench.broker.consumer([bench.many], bench.group)
    records = read(consumer, 20)
    assert len({record.partition for record in records}) == 1
    assert numbers(records) == list(range(20))
    versions = [(record.append_time_ms, record.offset) for record in records]
    assert versions == sorted(set(versions))
    assert versions[0][0] > 0
    consumer.close()


def test_a_key_lies_in_the_partition_of_its_hash(bench: Bench) -> None:
    keys = [b"key-%d" % number for number in range(20)]
    for key in keys:
        bench.send(bench.many, 1, key=key)
    consumer = bench.broker.consumer([bench.many], bench.group)
    records = read(consumer, len(keys))
    assert {record.key: record.partition for record in records} == {
        key: partition_of(key, SMALL.partitions) for key in keys
    }
    consumer.close()


def test_poll_returns_no_more_than_asked(bench: Bench) -> None:
    bench.send(bench.one, 5)
    consumer = bench.broker.consumer([bench.one], bench.group)
    first = read(consumer, 1)
    assert numbers(first) == [0]
    assert numbers(read(consumer, 4)) == [1, 2, 3, 4]
    consumer.close()


def test_unacknowledged_records_go_to_the_next_member(bench: Bench) -> None:
    bench.send(bench.one, 6)
    first = bench.broker.consumer([bench.one], bench.group)
    records = read(first, 4)
    first.ack(records[:2])
    first.close()
    second = bench.broker.consumer([bench.one], bench.group)
    again = read(second, 4)
    assert numbers(again) == [2, 3, 4, 5]
    second.close()


def test_out_of_order_acks_never_skip_what_is_unacknowledged(bench: Bench) -> None:
    bench.send(bench.one, 4)
    first = bench.broker.consumer([bench.one], bench.group)
    records = read(first, 4)
    first.ack([records[3], records[1], records[1]])
    first.close()
    second = bench.broker.consumer([bench.one], bench.group)
    seen = numbers(read(second, 2))
    assert seen[0] == 0
    assert {0, 2} <= set(seen) | set(numbers(second.poll(4, 0.2)))
    second.close()


def test_everything_acknowledged_is_not_seen_again(bench: Bench) -> None:
    bench.send(bench.one, 4)
    first = bench.broker.consumer([bench.one], bench.group)
    first.ack(reversed(read(first, 4)))
    first.close()
    bench.send(bench.one, 1, value=b"new")
    second = bench.broker.consumer([bench.one], bench.group)
    assert [record.value for record in read(second, 1)] == [b"new"]
    second.close()


def test_an_ack_after_revocation_is_ignored(bench: Bench) -> None:
    bench.send(bench.one, 3)
    first = bench.broker.consumer([bench.one], bench.group)
    in_flight = read(first, 3)
    first.close()
    second = bench.broker.consumer([bench.one], bench.group)
    again = read(second, 3)
    assert numbers(again) == [0, 1, 2]
    assert again[0].epoch != in_flight[0].epoch
    assert not first.owns(in_flight[0])
    assert second.owns(again[0])
    first.ack(in_flight)
    second.ack(in_flight)
    second.close()
    third = bench.broker.consumer([bench.one], bench.group)
    assert numbers(read(third, 3)) == [0, 1, 2]
    third.close()


def test_revocation_with_work_in_flight_loses_nothing(bench: Bench) -> None:
    bench.send(bench.many, 40)
    first = bench.broker.consumer([bench.many], bench.group)
    in_flight = read(first, 40)
    second = bench.broker.consumer([bench.many], bench.group)
    moved: list[Record] = []
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    while not moved:
        assert clock.monotonic_s() < deadline_s
        first.poll(1, 0.05)
        moved += second.poll(40, 0.05)
    kept = [record for record in in_flight if first.owns(record)]
    first.ack(in_flight)  # late for what moved, in time for what stayed
    moved += read([second], len(in_flight) - len(kept) - len(moved))
    assert sorted(numbers(kept) + numbers(moved)) == list(range(40))
    second.ack(moved)
    backlog = bench.broker.backlog(bench.many, bench.group)
    first.close()
    second.close()
    assert bench.broker.backlog(bench.many, bench.group).records == 0, backlog


def test_pause_holds_across_a_rebalance(bench: Bench) -> None:
    bench.send(bench.many, 20)
    first = bench.broker.consumer([bench.many], bench.group)
    assert read(first, 1)
    first.pause()
    assert first.poll(20, 0.05) == []
    second = bench.broker.consumer([bench.many], bench.group)
    second.pause()
    assert first.poll(20, 0.05) == []
    second.close()
    assert first.poll(20, 0.05) == []
    first.close()
    third = bench.broker.consumer([bench.many], bench.group)
    third.pause()
    assert third.poll(20, 0.05) == []
    third.resume()
    assert sorted(numbers(read(third, 20))) == list(range(20))
    third.close()


def test_two_groups_each_see_everything(bench: Bench) -> None:
    for group in (f"{bench.group}-a", f"{bench.group}-b"):
        bench.broker.declare(bench.many, group)
    bench.send(bench.many, 10)
    for group in (f"{bench.group}-a", f"{bench.group}-b"):
        consumer = bench.broker.consumer([bench.many], group)
        records = read(consumer, 10)
        assert sorted(numbers(records)) == list(range(10))
        consumer.ack(records)
        consumer.close()


def test_a_consumer_reads_several_topics(bench: Bench) -> None:
    bench.send(bench.one, 2)
    bench.send(bench.many, 3)
    consumer = bench.broker.consumer([bench.one, bench.many], bench.group)
    records = read(consumer, 5)
    assert sorted(record.topic for record in records) == sorted([bench.one] * 2 + [bench.many] * 3)
    consumer.close()


def test_partitions_are_shared_among_members(bench: Bench) -> None:
    """Soon, not at once: the first member may have all of them until the others are heard of."""
    members = [bench.broker.consumer([bench.many], bench.group) for _ in range(3)]
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    shares: list[set[int]] = []
    rounds = 0
    while sorted(map(len, shares)) != [1, 1, 2]:
        rounds += 1
        bench.send(bench.many, 40, value=b"%d" % rounds)
        shares = [set() for _ in members]
        seen: set[int] = set()
        while seen != set(range(40)):
            assert clock.monotonic_s() < deadline_s, f"round {rounds}: {shares}"
            for member, share in zip(members, shares, strict=True):
                records = [record for record in member.poll(80, 0.05) if member.owns(record)]
                share |= {record.partition for record in records}
                seen |= set(numbers(records))
                member.ack(records)
    for member in members:
        member.close()
    assert bench.broker.backlog(bench.many, bench.group).records == 0


def test_backlog_counts_unread_and_unacknowledged(bench: Bench) -> None:
    bench.broker.declare(bench.one, bench.group)
    empty = bench.broker.backlog(bench.one, bench.group)
    assert (empty.records, empty.bytes, empty.oldest_append_time_ms) == (0, 0, None)
    bench.send(bench.one, 4, value=b"x" * 100)
    consumer = bench.broker.consumer([bench.one], bench.group)
    records = read(consumer, 4)
    waiting = bench.broker.backlog(bench.one, bench.group)
    assert waiting.records == 4
    assert waiting.bytes >= 400
    assert waiting.oldest_append_time_ms == records[0].append_time_ms
    consumer.ack(records)
    consumer.close()
    done = bench.broker.backlog(bench.one, bench.group)
    assert (done.records, done.bytes, done.oldest_append_time_ms) == (0, 0, None)


def test_a_declared_group_keeps_records_until_it_comes(bench: Bench) -> None:
    bench.broker.declare(bench.one, f"{bench.group}-late")
    bench.send(bench.one, 3)
    early = bench.broker.consumer([bench.one], f"{bench.group}-early")
    early.ack(read(early, 3))
    early.close()
    late = bench.broker.consumer([bench.one], f"{bench.group}-late")
    assert numbers(read(late, 3)) == [0, 1, 2]
    late.close()


def test_a_fast_stage_before_a_slow_reader_keeps_the_bytes_between_them_flat(bench: Bench) -> None:
    count, limit = 60, 4_000
    names = [f"{number:02}-{'x' * 180}" for number in range(count)]
    producer = bench.broker.producer()
    for name in names:
        record = encode(Event(AssetDeleted(asset_id=name), "t", "p", name, 1))
        producer.send(bench.many, record.key, record.value, record.headers)
    producer.flush(WAIT_S)
    producer.close()
    bench.broker.declare(bench.many, bench.group)
    stage = Stage("copy", (bench.many,), (bench.one,), Scripted, throttled_by=(bench.one,), max_unread_bytes=limit)
    worker = Worker(
        replace(stage, name=bench.group),
        bench.broker,
        clock=SystemClock(),
        metrics=Metrics(CollectorRegistry()),
        readers={bench.one: [f"{bench.group}-slow"]},
        topics={name: Topic(name, (AssetDeleted,)) for name in (bench.many, bench.one)},
        pace=Pace(poll_timeout_s=0.01, throttle_interval_s=0.005),
    )
    bench.broker.declare(bench.one, f"{bench.group}-slow")
    reader = bench.broker.consumer([bench.one], f"{bench.group}-slow")
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + 3 * WAIT_S
    seen: list[bytes] = []
    unread: list[int] = []
    while len(seen) < count:
        assert clock.monotonic_s() < deadline_s
        for _ in range(5):
            worker.step()
            unread.append(bench.broker.backlog(bench.one, f"{bench.group}-slow").bytes)
        records = reader.poll(1, 0.05)
        seen += [record.key for record in records]
        reader.ack(records)
    worker.close()
    reader.close()
    assert sorted(seen) == sorted(name.encode() for name in names)
    assert max(unread) <= limit + 2 * SINGLE.max_message_bytes
    assert max(unread) > limit // 2, "the reader was not slow"


def test_too_large_a_record_is_refused(bench: Bench) -> None:
    producer = bench.broker.producer()
    with pytest.raises(BadEvent) as refused:
        producer.send(bench.one, b"k", b"x" * 2000, {})
    assert refused.value.code == "record_too_large"
    producer.flush(WAIT_S)
    producer.close()
    assert bench.broker.backlog(bench.one, bench.group).records == 0


def test_trimming_frees_what_every_group_has_acknowledged_and_nothing_else(bench: Bench) -> None:
    groups = (bench.group, f"{bench.group}-slow")
    for group in groups:
        bench.broker.declare(bench.one, group)
    bench.send(bench.one, 20)
    quick, slow = (bench.broker.consumer([bench.one], group) for group in groups)
    quick.ack(read(quick, 20))
    quick.close()
    held = read(slow, 20)
    slow.ack(held[:5])
    slow.close()
    bench.broker.trim(bench.one, groups)
    assert bench.broker.trim(bench.one, groups) == 0, "nothing is left to free"
    assert bench.broker.backlog(bench.one, groups[1]).records == 15
    late = bench.broker.consumer([bench.one], groups[1])
    assert [record.offset for record in read(late, 15)] == [record.offset for record in held[5:]]
    late.close()


def test_ensure_accepts_what_is_there_and_refuses_a_mismatch(bench: Bench) -> None:
    spec = replace(SMALL, name=bench.many)
    bench.broker.ensure([spec])
    bench.broker.ensure([replace(spec, partitions=spec.partitions + 1)])  # an operator's business
    with pytest.raises(Fatal):
        bench.broker.ensure([replace(spec, max_message_bytes=spec.max_message_bytes * 2)])


def test_close_is_idempotent_and_ends_polling(bench: Bench) -> None:
    bench.send(bench.one, 1)
    consumer = bench.broker.consumer([bench.one], bench.group)
    consumer.close()
    consumer.close()
    assert consumer.poll(1, 0.0) == []
