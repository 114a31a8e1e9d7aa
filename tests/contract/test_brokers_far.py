"""Reading outside a group, and acknowledging far ahead: what admission asks of every broker."""

from tests.support.topics_of_own import Bench, heard, numbers, read


def test_a_follower_sees_history_and_news_of_every_partition_and_keeps_nothing(bench: Bench) -> None:
    reader = bench.broker.consumer([bench.many], bench.group)  # keeps history
    bench.send(bench.many, 20)
    follower = bench.broker.follow(bench.many, 1000)
    assert follower.behind == 20
    late = bench.broker.follow(bench.one, 0)
    bench.send(bench.one, 3)
    found = [*heard(follower, 20), *heard(late, 3)]
    assert sorted(numbers(found)) == sorted([*range(20), *range(3)])
    assert follower.behind == 0
    assert sorted(numbers(read(reader, 20))) == list(range(20))
    follower.close()
    late.close()


def test_a_follower_begins_where_it_is_told(bench: Bench) -> None:
    keeper = bench.broker.consumer([bench.one], bench.group)
    bench.send(bench.one, 30)
    follower = bench.broker.follow(bench.one, 7)
    assert numbers(heard(follower, 7)) == list(range(23, 30))
    assert follower.poll(10, 0.0) == []
    follower.close()
    keeper.close()


def test_acks_may_run_thousands_ahead(bench: Bench) -> None:
    for _ in range(12):  # a batch of all would be over the topic's limit
        bench.send(bench.one, 1000)
    first = bench.broker.consumer([bench.one], bench.group, in_hand=16_384)
    records = read(first, 12_000)
    first.ack(record for record in records if record.offset % 1000)
    first.close()
    second = bench.broker.consumer([bench.one], bench.group, in_hand=16_384)
    again = read(second, 12)
    assert [record.offset for record in again] == [1000 * number for number in range(12)]
    second.ack(again)
    second.close()
    assert bench.broker.backlog(bench.one, bench.group).records == 0
