"""A Kafka node of a benchmark's own, its topics and what fills them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from confluent_kafka import Producer

from stream.broker.kafka.client import MAX_RECORD_BYTES
from stream.broker.node.local import LocalNode, fetch_jars, free_port
from stream.clock import SystemClock
from stream.topology.codec import Encoded

FLUSH_S = 120.0


@contextmanager
def kafka_node(folder: Path) -> Iterator[LocalNode]:
    """Runs for the block."""
    node = LocalNode(folder / "kafka", SystemClock(), port=free_port())
    node.up(fetch_jars(Path(platformdirs.user_cache_dir("rushes"))))
    try:
        yield node
    finally:
        node.down()


def fill(servers: str, topic: str, records: Sequence[Encoded], partitions: int) -> None:
    """One record after the other, in turn over the partitions."""
    producer = Producer({"bootstrap.servers": servers, "message.max.bytes": MAX_RECORD_BYTES, "linger.ms": 5})
    for number, record in enumerate(records):
        while True:
            try:
                producer.produce(
                    topic, record.value, record.key, number % partitions, headers=list(record.headers.items())
                )
            except BufferError:
                producer.poll(0.1)
            else:
                break
    if left := producer.flush(FLUSH_S):
        raise RuntimeError(f"{left} records were not sent")
