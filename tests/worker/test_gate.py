"""The gate at work: what tenants send through their topics, what comes of it, and that its order stays."""

import json
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from stream.audit.files import latest_events
from stream.audit.keys import key_beside, make_key
from stream.audit.verification import verify
from stream.broker.contract import Broker
from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.base import Event
from stream.events.dead_letter import DeadLetter
from stream.events.tenants import TenantRegistered
from stream.observability.metrics import Metrics
from stream.pipelines.gate import gate_stage
from stream.pipelines.settings import Settings
from stream.topology.codec import EventDecoder
from stream.topology.tenants import Tenants
from stream.topology.topics import ASSETS, DEAD_LETTERS, TOPICS
from stream.worker.worker import Worker
from tests.support.worker_kit import NO_WAIT, Given, refuse_once

TENANTS = Tenants([TenantRegistered(tenant="acme", projects=("news",)), TenantRegistered(tenant="umbrella")])


class GateKit:
    """A gate between the topics of two tenants and `assets`."""

    def __init__(self, directory: Path, *, audit: Path | None = None) -> None:
        clock = self.clock = ManualClock()
        topics = TENANTS.topics()
        self.broker = MemoryBroker(clock)
        self.broker.ensure(topic.spec(1) for topic in (*TOPICS.values(), *topics.values()))
        for topic in (ASSETS, DEAD_LETTERS):
            self.broker.declare(topic.name, "reader")
        self.given = Given(self.broker)
        self.worker = Worker(
            gate_stage(topics, Settings(directory, directory, audit=audit)),
            cast("Broker", self.given),
            clock=clock,
            metrics=Metrics(CollectorRegistry()),
            topics={**TOPICS, **topics},
            pace=NO_WAIT,
        )
        for name in topics:
            self.broker.declare(name, "gate")

    def send(self, owner: str, data: AssetPublished | AssetDeleted, **claims: str) -> None:
        headers = {"ce_type": data.type, "content-type": "application/json"}
        headers |= {f"ce_{name}": claim for name, claim in claims.items()}
        raw = {name: text.encode() for name, text in headers.items()}
        # A key that routes to the other tenant's asset: it must not matter.
        self.broker.producer().send(f"assets.{owner}", b"any", data.to_bytes(), raw)

    def work(self) -> None:
        for _ in range(100):
            if not self.worker.step():
                return
        raise AssertionError("the gate did not come to rest")

    def read(self, topic: str) -> list[Event]:
        consumer = self.broker.consumer([topic], "reader")
        records = consumer.poll(1000, 0)
        consumer.ack(records)
        consumer.close()
        return [EventDecoder([TOPICS[topic]]).decode(record) for record in records]

    def left(self) -> int:
        return sum(self.broker.backlog(topic, "gate").records for topic in TENANTS.topics())


def deleted(name: str) -> AssetDeleted:
    return AssetDeleted(asset_id=name)


def test_a_record_is_the_tenants_whose_topic_it_came_through(tmp_path: Path) -> None:
    kit = GateKit(tmp_path)
    kit.send("acme", AssetPublished(uri="/a.mp4", replan=True), id="e1", time="2020-01-01T00:00:00Z")
    kit.send("umbrella", deleted("/a.mp4"), project="x", eventtime="1600000000000")
    kit.work()
    mine, others = sorted(kit.read("assets"), key=lambda event: event.tenant)
    assert (mine.tenant, mine.project, mine.subject, mine.id) == ("acme", "news", "/a.mp4", "e1")
    assert isinstance(mine.data, AssetPublished)
    assert not mine.data.replan, "only the index asks for that"
    assert (others.tenant, others.project, others.event_time_ms) == ("umbrella", "x", 1_600_000_000_000)
    assert mine.event_time_ms == 1_577_836_800_000
    assert kit.left() == 0


def test_a_claim_to_be_another_is_a_letter_and_on_record_and_nothing_else(tmp_path: Path) -> None:
    audit = tmp_path / "trail"
    make_key(key_beside(audit), "rushes.test/audit")
    kit = GateKit(tmp_path, audit=audit)
    kit.send("umbrella", deleted("/a.mp4"), tenant="acme", project="news", subject="/b.mp4")
    kit.send("umbrella", AssetPublished(uri="/b.mp4"), tenant="acme")
    kit.send("acme", AssetPublished(uri="/c.mp4"), project="drama")
    kit.send("acme", AssetPublished(uri="/d.mp4"))
    kit.work()
    assert [event.subject for event in kit.read("assets")] == ["/d.mp4"]
    letters = [(event.tenant, event.data) for event in kit.read("dead-letters")]
    told = [(who, it.tenant, it.code, it.topic) for who, it in letters if isinstance(it, DeadLetter)]
    assert sorted(told) == [
        ("acme", "acme", "project_not_allowed", "assets.acme"),
        *[("umbrella", "umbrella", "tenant_not_yours", "assets.umbrella")] * 2,
    ]
    events = latest_events(audit, lambda _: True, 10).events[::-1]
    assert {(it["message"], it["status_code"], it["metadata"]["tenant_uid"], it["action"]) for it in events} == {
        ("gate: deleted", "tenant_not_yours", "umbrella", "Denied"),
        ("gate: published", "tenant_not_yours", "umbrella", "Denied"),
        ("gate: published", "project_not_allowed", "acme", "Denied"),
    }
    assert {it["actor"]["user"]["uid"] for it in events} == {"producer:acme", "producer:umbrella"}
    assert ".mp4" not in json.dumps(events)


@pytest.mark.parametrize("records", [2, 100])
def test_an_asset_that_is_deleted_last_stays_deleted(tmp_path: Path, records: int) -> None:
    """The broker refuses the publication and takes the deletion: alone, the publication would come after it."""
    kit = GateKit(tmp_path)
    refuse_once(kit.given.producer_, "a")
    kit.send("acme", AssetPublished(uri="/a.mp4", asset_id="a"))
    for number in range(records - 2):
        kit.send("acme", deleted(f"other-{number}"))
    kit.send("acme", deleted("a"))
    for _ in range(50):
        kit.worker.step()
        kit.clock.advance(1.0)
    kinds = [event.type for event in kit.read("assets") if event.subject == "a"]
    assert kinds[-2:] == [AssetPublished.type, AssetDeleted.type]
    assert kit.left() == 0


def test_what_a_killed_gate_had_not_acknowledged_comes_again_in_its_order(tmp_path: Path) -> None:
    kit = GateKit(tmp_path)
    kit.send("acme", AssetPublished(uri="/a.mp4", asset_id="a"))
    kit.send("acme", deleted("a"))
    kit.worker.step()
    before = [event.type for event in kit.read("assets")]
    kit.worker.close()
    kit.work()
    after = [event.type for event in kit.read("assets")]
    assert (before + after)[-1] == AssetDeleted.type
    assert kit.left() == 0


def test_a_trail_that_cannot_be_written_stops_the_gate_and_loses_nothing(tmp_path: Path) -> None:
    audit = tmp_path / "trail"
    key = make_key(key_beside(audit), "rushes.test/audit")
    kit = GateKit(tmp_path, audit=audit)
    kit.send("acme", deleted("a"), tenant="umbrella")
    audit.write_text("no directory")
    kit.worker.step()
    assert (kit.worker.state.paused or "").startswith("unavailable")
    assert not kit.read("dead-letters")
    audit.unlink()
    for _ in range(10):
        kit.clock.advance(60.0)
        kit.worker.step()
    assert [event.tenant for event in kit.read("dead-letters")] == ["acme"]
    found = verify(audit, key.verifier)
    assert (found.holds, found.events) == (True, 1)
