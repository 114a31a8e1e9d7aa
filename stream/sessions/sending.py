"""Records sent to a cluster, each of them durable."""

from collections.abc import Iterable

from stream.broker.kafka.producer import KafkaDelivery, KafkaProducer
from stream.errors import Unavailable
from stream.events.ids import AssetVersion
from stream.sessions.session import RawRecord

FLUSH_S = 30.0


def appended(producer: KafkaProducer, records: Iterable[RawRecord]) -> list[AssetVersion]:
    """Send, wait until all are durable, and tell where each lies; `producer` knows `places`. Raises `Unavailable`."""
    sent: list[KafkaDelivery] = [
        producer.send(record.topic, record.key, record.value, record.headers) for record in records
    ]
    producer.flush(FLUSH_S)
    # A flush that returns is no proof: each delivery says how it went.
    if refused := next((error for delivery in sent if (error := delivery.error()) is not None), None):
        raise Unavailable(f"not everything could be published: {refused}", code="broker_unavailable")
    return [AssetVersion(*delivery.place) for delivery in sent if delivery.place is not None]
