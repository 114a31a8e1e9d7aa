"""Publishes an asset event with confluent-kafka: CloudEvents in binary mode.

The attributes are headers, the value is JSON.

pip install confluent-kafka
python publish_asset.py localhost:9092 assets file:///footage/interview.mov
"""

import json
import sys
import uuid
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message, Producer


def main(servers: str, topic: str, uri: str) -> None:
    asset_id = uri.rsplit("/", 1)[-1]  # any name that stays the same when the asset is published again
    headers: dict[str, str | bytes | None] = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid4()),
        "ce_source": "urn:example:publish-asset",
        "ce_type": "rushes.asset.published.v1",
        "ce_time": datetime.now(UTC).isoformat(),
        "ce_tenant": "acme",
        "ce_project": "news",
        "content-type": "application/json",
    }
    data = {"uri": uri, "asset_id": asset_id, "labels": {"desk": "sport"}, "priority": "interactive"}
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})
    producer.produce(topic, json.dumps(data), key=asset_id, headers=headers, on_delivery=delivered)
    if producer.flush(30):
        sys.exit(f"{servers} did not take the event within 30 s")


def delivered(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        sys.exit(f"the event was not published: {error}")
    print(f"published to {message.topic()}, partition {message.partition()}, offset {message.offset()}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: publish_asset.py SERVERS TOPIC URI")
    main(*sys.argv[1:])
