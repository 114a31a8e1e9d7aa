"""Producers that know nothing of us: raw records and aiokafka, through a plan stage on a real broker."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from stream.broker.contract import Record, TopicSpec
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.events.asset import AssetDeleted, AssetPlanned, AssetPublished
from stream.events.dead_letter import DeadLetter
from stream.observability.metrics import Metrics
from stream.operators.plan import PlanOperator
from stream.runtime.threads import StageThreads
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.codec import EventDecoder
from stream.topology.stage import Stage
from stream.topology.topics import ANNOTATIONS, ASSETS, DEAD_LETTERS, PROGRESS, SPANS, Topic
from stream.worker.pace import Pace
from tests.support.brokers import kafka_servers
from tests.support.foreign_producers import Sent, strangers
from tests.support.librdkafka import send_raw
from tests.support.planning import ByName, one_span

pytestmark = pytest.mark.kafka

WAIT_S = 60.0
BYTES = ((b"ce_type", AssetPublished.type.encode()), (b"\xff\xfe", b"\xff"), (b"b3", b"1"))
"""Headers of which one has a name that is no UTF-8."""
NAMES = {topic.name: f"strangers-{topic.name}" for topic in (ASSETS, SPANS, ANNOTATIONS, PROGRESS)}
TOPICS = {
    NAMES[topic.name]: Topic(NAMES[topic.name], topic.payloads, topic.max_message_bytes)
    for topic in (ASSETS, SPANS, ANNOTATIONS, PROGRESS)
} | {DEAD_LETTERS.name: DEAD_LETTERS}


async def send(servers: str, records: Sequence[Sent]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        for key, value, headers in records:
            await producer.send_and_wait(NAMES[ASSETS.name], value, key=key, headers=headers)
    finally:
        await producer.stop()


def test_events_of_any_client_are_planned_and_what_is_none_is_a_letter() -> None:
    clock = SystemClock()
    broker = KafkaBroker(KafkaSettings(kafka_servers(), commit_interval_s=0.2), clock)
    broker.ensure(TopicSpec(topic.name, 1, topic.max_message_bytes) for topic in TOPICS.values())
    stage = Stage(
        "strangers-plan",
        (NAMES[ASSETS.name],),
        (NAMES[SPANS.name], NAMES[ANNOTATIONS.name], NAMES[PROGRESS.name]),
        lambda: PlanOperator(ByName(), ByName(), one_span),
        admission=AdmissionPolicy(tenant_credit=60, credit=240, settled_by=("index",)),
    )
    reader = broker.consumer([NAMES[ANNOTATIONS.name]], "strangers-reader")
    dead_letters = broker.consumer([DEAD_LETTERS.name], "strangers-letters")
    plans: dict[str, str] = {}
    deleted: list[str] = []
    buried: list[DeadLetter] = []
    with StageThreads(
        [stage], broker, clock=clock, metrics=Metrics(CollectorRegistry()), readers={}, topics=TOPICS,
        pace=Pace(poll_timeout_s=0.1),
    ):  # fmt: skip
        send_raw(kafka_servers(), NAMES[ASSETS.name], b'{"uri": "/bytes"}', BYTES)
        asyncio.run(send(kafka_servers(), strangers()))
        deadline_s = clock.monotonic_s() + WAIT_S
        while (len(plans) < 3 or not deleted or len(buried) < 2) and clock.monotonic_s() < deadline_s:
            for record in reader.poll(100, 0.1):
                data = EventDecoder(TOPICS.values()).decode(record).data
                if isinstance(data, AssetPlanned):
                    plans[data.uri] = data.asset.tenant
                elif isinstance(data, AssetDeleted):
                    deleted.append(data.asset_id)
            for record in dead_letters.poll(100, 0.0):
                dead_letter = EventDecoder([DEAD_LETTERS]).decode(record).data
                if isinstance(dead_letter, DeadLetter) and dead_letter.topic == NAMES[ASSETS.name]:
                    buried.append(dead_letter)
    reader.close()
    dead_letters.close()
    broker.close()
    assert plans == {"/structured": "acme", "/binary": "umbrella", "/bare-minimum": "default"}
    assert deleted == ["/structured"]
    unread, dead_letter = buried
    assert (unread.code, unread.value, unread.headers) == ("unreadable_headers", b'{"uri": "/bytes"}', {})
    assert (dead_letter.code, dead_letter.value) == ("not_a_cloudevent", b'{"uri": "/no-event"}')
    assert "ce_type" in dead_letter.message
    assert not [it for it in threading.enumerate() if it.name == "strangers-plan"]


def test_a_record_with_names_that_are_no_text_is_seen_from_beside() -> None:
    topic = "strangers-bytes"
    clock = SystemClock()
    broker = KafkaBroker(KafkaSettings(kafka_servers()), clock)
    broker.ensure([TopicSpec(topic)])
    before = 200  # so that the interpreter has specialised what reads them
    send_raw(kafka_servers(), topic, b"v", BYTES)
    left = broker.backlog(topic, "nobody")
    producer = broker.producer()
    for _ in range(before):
        producer.send(topic, b"", b"good", {"b3": b"\xff"})
    producer.flush(WAIT_S)
    send_raw(kafka_servers(), topic, b"v", BYTES)
    tail = broker.tail(topic, from_start=True)
    deadline_s = clock.monotonic_s() + WAIT_S
    found: list[Record] = []
    while len(found) < before + 2 and clock.monotonic_s() < deadline_s:
        found += tail.poll(before, 0.2)
    for each in (producer, tail, broker):
        each.close()
    assert (left.records, left.bytes) == (1, 1)
    first, *good, last = found
    assert [(each.value, each.headers, each.unreadable) for each in (first, last)] == [(b"v", {}, True)] * 2
    assert {(each.value, each.headers["b3"], each.unreadable) for each in good} == {(b"good", b"\xff", False)}
    assert len(good) == before
