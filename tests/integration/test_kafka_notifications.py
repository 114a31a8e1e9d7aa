"""Notifications of S3 and MinIO, as a store's own client sends them, become asset events on a real broker, once."""

import json
import threading
from pathlib import Path

import pytest
from confluent_kafka import Producer

from benchmarks.testbed.runs import light_settings
from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import Consumer
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.base import Event
from stream.events.dead_letter import DeadLetter
from stream.events.ids import default_asset_id
from stream.sessions.stage_process import Deployment, run_deployed
from stream.topology.codec import EventDecoder
from stream.topology.topics import ASSETS, DEAD_LETTERS, NOTIFICATIONS
from tests.support.brokers import own_node
from tests.support.notifications import minio, s3

pytestmark = pytest.mark.kafka

WAIT_S = 60.0


def test_what_a_bucket_tells_is_published_under_its_rules(tmp_path: Path) -> None:
    clock = SystemClock()
    settings = light_settings(
        tmp_path / "state", bucket_rules=("footage/{tenant}/{project}/", "inbox/=acme/news"), schemes=("file", "s3")
    )
    stop = threading.Event()
    with own_node(tmp_path / "kafka") as servers:
        broker, watching = (KafkaBroker(KafkaSettings(servers, commit_interval_s=0.2), clock) for _ in range(2))
        process = threading.Thread(
            target=run_deployed,
            args=(settings, ["notifications"], broker, Deployment(0, partitions=2), stop),
            kwargs={"clock": clock},
            daemon=True,
        )
        process.start()
        wait_for(lambda: watching.members(["notifications"])["notifications"] > 0, "the stage joined")
        assets = watching.consumer([ASSETS.name], "test-assets")
        dead_letters = watching.consumer([DEAD_LETTERS.name], "test-letters")
        put = s3("ObjectCreated:Put", "umbrella/spots/a b.mp4", sequencer="0B", size=7, eTag="e")
        told = [
            {"Records": [put]},
            {"Records": [put]},  # at least once
            {"Records": [s3("ObjectRemoved:Delete", "umbrella/spots/a b.mp4", sequencer="0A")]},  # late
            minio("s3:ObjectCreated:Put", "initech/reels/b.mp4"),
            {"Records": [s3("ObjectCreated:Copy", "c.mp4", bucket="inbox", sequencer="0C")]},
            {"Records": [s3("ObjectRemoved:Delete", "c.mp4", bucket="inbox", sequencer="0D")]},
            {"Records": [s3("ObjectCreated:Put", "d.mp4", bucket="elsewhere", sequencer="0E")]},
        ]
        producer = Producer({"bootstrap.servers": servers})
        for document in told:
            producer.produce(NOTIFICATIONS.name, json.dumps(document).encode(), b"one key, one order")
        producer.flush(30)
        producer.close()
        events = [event for event in _read(assets, 4) if isinstance(event.data, AssetPublished | AssetDeleted)]
        (dead_letter,) = _read(dead_letters, 1)
        assert _read(assets, 1, wait_s=1.0) == []
        stop.set()
        process.join(30)
        assert not process.is_alive()
        for end in (assets, dead_letters, broker, watching):
            end.close()
    published = {
        (event.data.uri, event.tenant, event.project) for event in events if isinstance(event.data, AssetPublished)
    }
    assert published == {
        ("s3://footage/umbrella/spots/a b.mp4", "umbrella", "spots"),
        ("s3://footage/initech/reels/b.mp4", "initech", "reels"),
        ("s3://inbox/c.mp4", "acme", "news"),
    }
    (gone,) = [event.data.asset_id for event in events if isinstance(event.data, AssetDeleted)]
    assert gone == default_asset_id("s3://inbox/c.mp4")
    assert isinstance(dead_letter.data, DeadLetter)
    assert dead_letter.data.code == "no_bucket_rule"


def _read(consumer: Consumer, count: int, wait_s: float = WAIT_S) -> list[Event]:
    """The next `count` events, or those that came in time."""
    clock, found = SystemClock(), list[Event]()
    deadline_s = clock.monotonic_s() + wait_s
    while len(found) < count and clock.monotonic_s() < deadline_s:
        records = consumer.poll(count, 0.1)
        found += [EventDecoder([ASSETS, DEAD_LETTERS]).decode(record) for record in records]
    return found
