"""What lies unread on the topics of a real cluster, before the index, is known by stage and tenant."""

import json
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, rushes
from benchmarks.testbed.waiting import wait_for
from sinks.query.catalogue import Catalogue
from sinks.query.filters import Filters
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.search.freshness import searchable_up_to
from stream.sessions.events_before import EventsBeforeIndex
from stream.sessions.sending import appended
from stream.sessions.session import RawRecord
from stream.sessions.stage_process import prepare
from stream.sessions.tenant_register import TenantsFile, TenantsTopic
from stream.topology.codec import encode
from stream.topology.topics import ASSETS
from tests.support.brokers import kafka_servers
from tests.support.deployed import Site

pytestmark = pytest.mark.kafka


def before_gate(state: Path, *cluster: str) -> dict[str, float]:
    """What `rushes lag` says of it."""
    found: dict[str, float] = json.loads(rushes(state, "lag", "--json", *cluster).out)["before_gate"]
    return found


def test_what_lies_unread_is_in_the_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, footage = tmp_path / "state", tmp_path / "footage"
    footage.mkdir()
    site = Site("unread", light_settings(state, footage))
    cluster = ("--broker", f"kafka://{kafka_servers()}", "--deployment", "unread")
    assert rushes(state, "tenants", "add", "acme", "--partitions", "1", *cluster).code == 0
    prepare(site.broker, site.topology, site.deployment)
    tenants, settings = TenantsTopic(site.broker), KafkaSettings(kafka_servers(), names=site.names)
    before = EventsBeforeIndex(settings, tenants, SystemClock())
    producer = site.broker.producer(places=True)

    def send(topic: str, name: str, tenant: str) -> int:
        clip = write_clip(footage / name, seconds=3, fps=5, scenes=[3.0]).path
        record = encode(published(clip, tenant=tenant, asset_id=name))
        (version,) = appended(producer, [RawRecord(topic, record.key, record.value, record.headers)])
        return version.append_ms

    def waiting() -> list[tuple[str, str, str]]:
        found = before.look()
        assert found.unknown is None
        return sorted((each.tenant, each.asset_id, each.waits_for) for each in found.waiting)

    assert waiting() == []
    open_ms = send(ASSETS.name, "open.mp4", "globex")
    own_ms = send("assets.acme", "own.mp4", "acme")
    appended(producer, [RawRecord("assets.acme", b"", b"no event", {})])
    assert waiting() == [("acme", "own.mp4", "gate"), ("globex", "open.mp4", "plan")]
    # Nobody passes them on: who asks is told.
    status = json.loads(rushes(state, "status", "--json", *cluster).out)
    assert status["stages"][0] == {"stage": "gate", "workers": 0, "records_waiting": 2}
    lag = before_gate(state, *cluster)
    assert (lag["records"], lag["replicas"], lag["oldest_s"] > 0) == (2, 0, True)
    checks = {each["name"]: each for each in json.loads(rushes(state, "doctor", "--json", *cluster).out)}
    assert (checks["topics of tenants"]["good"], "no gate" in checks["topics of tenants"]["found"]) == (False, True)
    with site.running("gate"):
        wait_for(lambda: waiting()[0][2] == "plan", "the gate has handed it on")
    with site.running("plan"):
        wait_for(lambda: {each[2] for each in waiting()} == {"index"}, "both are announced")
    assert before_gate(state, *cluster) == {"records": 0, "oldest_s": 0, "replicas": 0}
    # Not since the announcement, nor since the gate: since the publication.
    times = {"acme": own_ms, "globex": open_ms}
    assert {each.tenant: each.published_ms for each in before.look().waiting} == times
    catalogue = Catalogue(site.settings.index_dir)
    found = searchable_up_to(catalogue, Filters(tenant="globex"), before.look())
    assert (found.up_to_ms, found.count) == (open_ms, 1)
    monkeypatch.setattr("stream.sessions.events_before.MOST_RECORDS", 1)
    assert "records wait before the index" in (before.look().unknown or "")
    monkeypatch.undo()
    with site.running("index"):
        wait_for(lambda: not waiting(), "the index has been told")
        assert {each.tenant: each.published_ms for each in catalogue.pending(Filters()).assets} == times
        assert catalogue.freshness().oldest_pending_ms == min(times.values())
    with site.running("decode", "understand", "index"):
        wait_for(lambda: not waiting(), "the index has been told")
        wait_for(lambda: not catalogue.pending(Filters()).count, "all is searchable")
    found = searchable_up_to(catalogue, Filters(), before.look())
    assert (found.up_to_ms, found.count) == (found.at_ms, 0)
    for each in (producer, before, tenants, site.broker):
        each.close()


def test_a_cluster_that_is_away_is_unknown(tmp_path: Path) -> None:
    before = EventsBeforeIndex(KafkaSettings("127.0.0.1:1"), TenantsFile(tmp_path), SystemClock())
    assert "cannot be read" in (before.look().unknown or "")
    before.close()
