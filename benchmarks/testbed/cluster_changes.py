"""What operators and other producers do to a cluster: transactions, more partitions, topics made again."""

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from stream.broker.contract import TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings, admin, made
from stream.clock import SystemClock
from stream.topology.codec import Encoded

WAIT_S = 60.0


def until(true: Callable[[], bool], what: str) -> None:
    """Fails when it has not come true in a minute."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    while not true():
        assert clock.monotonic_s() < deadline_s, f"in {WAIT_S:.0f} s it did not come true that {what}"
        clock.sleep(0.05)


class Transactions:
    """An exactly-once producer."""

    def __init__(self, settings: KafkaSettings, name: str) -> None:
        self._producer = made(Producer, settings, **{"transactional.id": name, "partitioner": "murmur2"})
        self._producer.init_transactions(WAIT_S)

    def begin(self, topic: str, values: Sequence[bytes], partition: int = 0) -> None:
        self._producer.begin_transaction()
        for value in values:
            self._producer.produce(topic, value, b"key", partition=partition)
        self._producer.flush(WAIT_S)

    def begin_records(self, topic: str, records: Sequence[Encoded]) -> None:
        """As our own producers write them."""
        self._producer.begin_transaction()
        for each in records:
            self._producer.produce(topic, each.value, each.key, headers=list(each.headers.items()))
        self._producer.flush(WAIT_S)

    def end(self, *, commit: bool) -> None:
        (self._producer.commit_transaction if commit else self._producer.abort_transaction)(WAIT_S)

    def run(self, topic: str, values: Sequence[bytes], *, commit: bool) -> None:
        self.begin(topic, values)
        self.end(commit=commit)

    def close(self) -> None:
        self._producer.close()


def add_partitions(settings: KafkaSettings, topic: str, count: int) -> None:
    """So that there are `count` in all."""
    _done(admin(settings), "create_partitions", [NewPartitions(topic, count)])


def make_again(broker: KafkaBroker, settings: KafkaSettings, spec: TopicSpec) -> None:
    """Delete a topic and create it under its name at once."""
    client = admin(settings)
    _done(client, "delete_topics", [settings.names.of(spec.name)])

    def there() -> bool:
        try:
            broker.ensure([spec])
        except Exception as error:  # noqa: BLE001 - nodes are told one after the other
            assert getattr(error, "code", "") in {"broker_unavailable", "unknown_topic"}, error
            return False
        return spec.name in broker.differences([spec])

    until(there, f"{spec.name} is there again")


def delivered(settings: KafkaSettings, topic: str, partition: int, values: Sequence[bytes]) -> None:
    """Append to one partition, and see that it took them."""
    refused: list[str] = []
    producer = made(Producer, settings)
    for value in values:
        producer.produce(
            topic, value, b"key", partition=partition, on_delivery=lambda e, _: refused.append(str(e)) if e else None
        )
    assert producer.flush(WAIT_S) == 0
    assert refused == []
    producer.close()


def _done(client: AdminClient, doing: str, what: Sequence[object]) -> None:
    for future in getattr(client, doing)(what).values():
        try:
            future.result(WAIT_S)
        except KafkaException as failure:
            raise AssertionError(f"{doing}: {failure}") from failure
