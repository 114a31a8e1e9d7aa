"""Publishes an asset event with aiokafka: CloudEvents in structured mode.

The value holds the attributes and the data.

pip install aiokafka
python publish_asset_structured.py localhost:9092 assets file:///footage/interview.mov
"""

import asyncio
import json
import sys
import uuid
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer


async def main(servers: str, topic: str, uri: str) -> None:
    asset_id = uri.rsplit("/", 1)[-1]  # any name that stays the same when the asset is published again
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "urn:example:publish-asset",
        "type": "rushes.asset.published.v1",
        "time": datetime.now(UTC).isoformat(),
        "tenant": "acme",
        "project": "news",
        "datacontenttype": "application/json",
        "data": {"uri": uri, "asset_id": asset_id, "labels": {"desk": "sport"}, "priority": "interactive"},
    }
    async with AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True) as producer:
        sent = await producer.send_and_wait(
            topic,
            json.dumps(event).encode(),
            key=asset_id.encode(),
            headers=[("content-type", b"application/cloudevents+json")],
        )
    print(f"published to {sent.topic}, partition {sent.partition}, offset {sent.offset}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: publish_asset_structured.py SERVERS TOPIC URI")
    asyncio.run(main(*sys.argv[1:]))
