"""The topic `audit`: what a SIEM subscribes to. Events as they lie in the trail, and checkpoints that anchor it."""

from collections.abc import Iterator

from sinks.siem.target import AuditDelivery
from stream.broker.contract import Broker, Producer, TopicSpec
from stream.errors import Unavailable

TOPIC = "audit"
KEPT_DAYS = 400
KIND = "rushes_kind"
_EVENT = {KIND: b"event", "content-type": b"application/json"}
_CHECKPOINT = {KIND: b"checkpoint", "content-type": b"text/plain; charset=utf-8"}
_DAY_MS = 86_400_000
_FLUSH_S = 30.0
_ALL, _PATIENCE = 10_000_000, 1_000


def audit_topic(partitions: int = 1, kept_days: int = KEPT_DAYS) -> TopicSpec:
    """By age and not by readers: nobody knows who subscribes."""
    return TopicSpec(TOPIC, partitions, 1 << 20, kept_days * _DAY_MS)


class AuditTopic:
    """A target (`sinks.siem.target`). The key of a record is the chain, so that each trail keeps its order in one
    partition, however many trails write. Its producer never writes a record twice by itself.
    """

    def __init__(self, broker: Broker, spec: TopicSpec) -> None:
        self._broker = broker
        self._spec = spec
        self._producer: Producer | None = None

    def deliver(self, delivery: AuditDelivery) -> None:
        try:
            if self._producer is None:
                self._broker.ensure([self._spec])
                self._producer = self._broker.producer()
            key = delivery.chain_uid.encode()
            sent = [self._producer.send(TOPIC, key, line, _EVENT) for line in delivery.lines]
            # It anchors the trail: who can write the files cannot change what lies here.
            if delivery.checkpoint is not None:
                sent.append(self._producer.send(TOPIC, key, delivery.checkpoint, _CHECKPOINT))
            self._producer.flush(_FLUSH_S)
        except Unavailable as error:
            self.close()
            raise Unavailable(
                f"the topic {TOPIC} takes no audit events: {error.message}", code="siem_unavailable"
            ) from None
        # A flush that returns is no proof: each delivery says how it went.
        if refused := next((said for each in sent if (said := each.error()) is not None), None):
            self.close()
            raise Unavailable(f"the topic {TOPIC} takes no audit events: {refused}", code="siem_unavailable")

    def close(self) -> None:
        """The next delivery begins with a new producer: what the old one still holds is not sent."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()


def anchored(broker: Broker) -> Iterator[tuple[str, bytes]]:
    """The checkpoints on the topic, each with its place. Raises `Unavailable` where they cannot be read to the end."""
    follower = broker.follow(TOPIC, _ALL)
    try:
        for _ in range(_PATIENCE):
            if not follower.behind:
                return
            for record in follower.poll(1000, 1.0):
                if record.headers.get(KIND) == _CHECKPOINT[KIND]:
                    yield f"{TOPIC}-{record.partition}-{record.offset}", record.value
        raise Unavailable(f"the topic {TOPIC} cannot be read to its end", code="broker_unavailable")
    finally:
        follower.close()
