"""Reads `completions` with confluent-kafka and prints each asset that is ready, until Ctrl-C.

    pip install confluent-kafka
    python print_ready.py localhost:9092 completions

`rushes control` writes this topic. The key is the asset id, the headers are CloudEvents attributes, the value is JSON.
"""

import json
import sys
from typing import Any

from confluent_kafka import Consumer, KafkaException


def main(servers: str, topic: str) -> None:
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "print-ready", "auto.offset.reset": "earliest"}
    )  # offsets are committed by themselves; the group goes on where it was
    consumer.subscribe([topic])
    try:
        while True:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            if value := message.value():
                print_ready(json.loads(value))
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


def print_ready(change: dict[str, Any]) -> None:
    """`status` is ready, partial, failed or deleted; `code` and `reason` say why, where it is not ready."""
    asset = change["asset"]
    if change["status"] == "ready":
        seconds = change["duration_ns"] / 1e9
        print(f"ready: {asset['tenant']}/{asset['project']} {asset['asset_id']} ({seconds:.1f} s)", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: print_ready.py SERVERS TOPIC")
    main(*sys.argv[1:])
