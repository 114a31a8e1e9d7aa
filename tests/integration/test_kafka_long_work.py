"""A member of a group on a real broker that works for longer than it may be silent."""

from collections.abc import Iterator

import pytest

from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import Record, TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from tests.support.brokers import kafka_servers

pytestmark = pytest.mark.kafka
SILENT_S = 3.0


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    settings = KafkaSettings(kafka_servers(), session_timeout_s=3.0, max_poll_interval_s=SILENT_S)
    made = KafkaBroker(settings, SystemClock())
    yield made
    made.close()


def test_who_says_that_it_works_keeps_its_record_and_who_is_stuck_loses_it(broker: KafkaBroker) -> None:
    clock = SystemClock()
    broker.ensure([TopicSpec("long-work", 1)])
    producer = broker.producer()
    producer.send("long-work", b"", b"work", {})
    producer.flush(30.0)
    producer.close()
    first = broker.consumer(["long-work"], "long-work")
    read: list[Record] = []
    wait_for(lambda: bool(read), "the record is read", meanwhile=lambda: read.extend(first.poll(1, 0.2)))
    second = broker.consumer(["long-work"], "long-work")
    taken: list[Record] = []

    def work() -> None:
        # As a worker in a long part, which does not poll.
        first.keep_alive()
        taken.extend(second.poll(1, 0.1))

    begun_s = clock.monotonic_s()
    wait_for(lambda: clock.monotonic_s() - begun_s > 2 * SILENT_S, "it works for twice that time", meanwhile=work)
    assert first.owns(read[0])
    assert not taken
    wait_for(
        lambda: bool(taken),
        "it is silent, and another one has the record",
        meanwhile=lambda: taken.extend(second.poll(1, 0.2)),
    )
    second.close()
    first.close()
