"""What operators and other producers do to a cluster: transactions, more partitions, topics made again."""

from collections.abc import Mapping, Sequence

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import TopicSpec
from stream.broker.kafka.admin_queries import END
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import SETTLING, KafkaSettings, admin, make_client
from stream.broker.kafka.described import described
from stream.broker.kafka.offsets import OffsetAdmin
from stream.topology.codec import Encoded

WAIT_S = 60.0


class Transactions:
    """An exactly-once producer."""

    def __init__(self, settings: KafkaSettings, name: str) -> None:
        self._producer = make_client(Producer, settings, **{"transactional.id": name, "partitioner": "murmur2"})
        self._producer.init_transactions(WAIT_S)
        self._admin = admin(settings)
        self._last: dict[tuple[str, int], int] = {}

    def begin(self, topic: str, values: Sequence[bytes], partition: int = 0) -> None:
        self._producer.begin_transaction()
        for value in values:
            self._producer.produce(topic, value, b"key", partition=partition, on_delivery=self._delivered)
        self._producer.flush(WAIT_S)

    def begin_records(self, topic: str, records: Sequence[Encoded]) -> None:
        """As our own producers write them."""
        self._producer.begin_transaction()
        for each in records:
            headers: list[tuple[str, str | bytes | None]] = list(each.headers.items())
            self._producer.produce(topic, each.value, each.key, headers=headers, on_delivery=self._delivered)
        self._producer.flush(WAIT_S)

    def end(self, *, commit: bool) -> None:
        """Returns when readers know of it. The coordinator answers once it has decided, and writes the marks into the
        partitions afterwards: until then the records are as undecided as before. No other transaction may be open.
        """
        (self._producer.commit_transaction if commit else self._producer.abort_transaction)(WAIT_S)
        last, self._last = self._last, {}
        wait_for(lambda: self._decided(last), "the end of the transaction is written")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        place = (message.topic() or "", message.partition() or 0)
        self._last[place] = max(message.offset() or 0, self._last.get(place, 0))

    def _decided(self, last: Mapping[tuple[str, int], int]) -> bool:
        """Whether what is committed or void reaches beyond our records."""
        asked = {TopicPartition(*place): END for place in last}
        futures = self._admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED) if asked else {}
        return all(
            future.result(WAIT_S).offset > last[place.topic, place.partition] for place, future in futures.items()
        )

    def run(self, topic: str, values: Sequence[bytes], *, commit: bool) -> None:
        self.begin(topic, values)
        self.end(commit=commit)

    def close(self) -> None:
        self._producer.close()


def set_offset(settings: KafkaSettings, group: str, topic: str, offset: int) -> None:
    """Commit for partition 0 from outside of the group and without our note, as an older version did, or a tool. The
    first commit of a new group may come while its coordinator still loads: then it is said again.
    """
    groups = OffsetAdmin(settings)

    def committed() -> bool:
        try:
            groups.commit(group, [settings.place(topic, 0, offset)])
        except KafkaException as failure:
            if failure.args[0].code() in SETTLING:
                return False
            raise
        return True

    wait_for(committed, f"{group} stands at {offset}")
    groups.close()


def delete_below(settings: KafkaSettings, topic: str, offset: int) -> None:
    """What age does to partition 0."""
    _done(admin(settings), "delete_records", [settings.place(topic, 0, offset)])


def add_partitions(settings: KafkaSettings, topic: str, count: int) -> None:
    """So that there are `count` in all. Returns when the node answers so: the controller decides it a moment before."""
    client = admin(settings)
    _done(client, "create_partitions", [NewPartitions(topic, count)])
    wait_for(lambda: len(described(client, [topic])[topic].partitions) == count, f"{topic} has {count} partitions")


def make_again(broker: KafkaBroker, settings: KafkaSettings, spec: TopicSpec) -> None:
    """Delete a topic and create it under its name at once: when the node has stopped to show the old one, which it does
    for a moment after the controller deleted it. Who is told of the old one would not make the new one.
    """
    client, name = admin(settings), settings.names.of(spec.name)
    _done(client, "delete_topics", [name])
    wait_for(lambda: not described(client, [name]), f"the old {spec.name} is gone")

    def there() -> bool:
        try:
            broker.ensure([spec])
        except Exception as error:  # noqa: BLE001 - nodes are told one after the other
            assert getattr(error, "code", "") in {"broker_unavailable", "unknown_topic"}, error
            return False
        return spec.name in broker.differences([spec])

    wait_for(there, f"{spec.name} is there again")


def delivered(settings: KafkaSettings, topic: str, partition: int, values: Sequence[bytes]) -> None:
    """Append to one partition, and see that it took them."""
    refused: list[str] = []
    producer = make_client(Producer, settings)
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
