"""The topic `audit`, and what is told of targets that lag behind."""

import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from benchmarks.testbed.waiting import wait_for
from stream.audit.files import CHECKPOINTS, event_files
from stream.audit.ocsf import Activity
from stream.broker.contract import Record, TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock, SystemClock
from stream.errors import Unavailable
from stream.observability.metrics import AuditMetrics
from stream.sessions.audit_delivery import AuditFeeds, labels
from stream.sessions.audit_export import AuditExport
from stream.sessions.audit_topic import KIND, TOPIC, AuditTopic, anchored, audit_topic
from tests.support.audit_trails import KEY, KeptTarget, Trail


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    made = Trail(tmp_path / "audit")
    made.add(*[(Activity.SEARCHED, "acme"), (Activity.DELETED, None)] * 3)
    return made


class AwayAtFirst(MemoryBroker):
    """Takes its topics the second time."""

    asked = 0

    def ensure(self, topics: object) -> None:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("no answer from host:9092", code="broker_unavailable")
        super().ensure(topics)  # type: ignore[arg-type]


def heard(broker: MemoryBroker) -> list[Record]:
    follower = broker.follow(TOPIC, 10_000)
    records = list(follower.poll(10_000, 0.0))
    follower.close()
    return records


def test_a_siem_hears_every_event_in_order_and_checkpoints_between_them(trail: Trail) -> None:
    broker = AwayAtFirst(SystemClock())
    target = AuditTopic(broker, audit_topic(2))
    export = AuditExport(trail.directory, "kafka://host:9092", target, most_events=5)
    with pytest.raises(Unavailable, match="takes no audit events") as refused:
        export.step()
    assert refused.value.code == "siem_unavailable"
    assert [export.step() for _ in range(4)] == [5, 5, 2, 0]
    records = heard(broker)
    events = [record for record in records if record.headers[KIND] == b"event"]
    lines = [line for path in event_files(trail.directory) for line in path.read_bytes().splitlines()[1:]]
    assert [record.value for record in events] == lines
    assert {(record.partition, record.key) for record in records} == {(records[0].partition, records[0].key)}
    notes = [note for _, note in anchored(broker)]
    assert len(notes) == 3
    assert KEY.verifier.opened(notes[-1]).size == 12
    # Another process goes on where this one has ended.
    trail.add((Activity.VIEWED, "acme"))
    assert AuditExport(trail.directory, "kafka://host:9092", target).step() == 2
    assert audit_topic(kept_days=7) == TopicSpec(TOPIC, 1, 1 << 20, 7 * 86_400_000)


def test_a_target_that_is_away_blocks_itself_alone_and_its_lag_grows(trail: Trail) -> None:
    registry, clock, stop = CollectorRegistry(), ManualClock(trail.clock.now_ms()), threading.Event()
    good, away = KeptTarget(), KeptTarget(1_000)
    feeds = AuditFeeds(trail.directory, {"https://good/": good, "https://away/": away}, clock, AuditMetrics(registry))

    def value(name: str, target: str) -> float | None:
        return registry.get_sample_value(f"rushes_audit_{name}", {"target": target})

    running = threading.Thread(target=feeds.run, args=(stop, 0.01), daemon=True)
    running.start()
    try:
        wait_for(lambda: value("delivered_events_total", "https://good") == 12, "the other target has all")
        wait_for(lambda: value("delivery_lag_seconds", "https://away") is not None, "it is watched")
        clock.advance(3_600)
        wait_for(lambda: (value("delivery_lag_seconds", "https://away") or 0) >= 3_600, "its lag grows")
        assert value("delivery_lag_seconds", "https://good") == 0
        assert value("delivered_events_total", "https://away") == 0
    finally:
        stop.set()
        running.join(30.0)
    assert not running.is_alive()


def test_a_feed_that_stopped_is_not_up_to_date(trail: Trail) -> None:
    path = event_files(trail.directory)[0]
    path.write_bytes(path.read_bytes().replace(b"acme", b"evil", 1))
    registry = CollectorRegistry()
    feeds = AuditFeeds(trail.directory, {"ndjson:/a/out": KeptTarget()}, ManualClock(), AuditMetrics(registry))
    feeds.run(threading.Event(), None)
    assert registry.get_sample_value("rushes_audit_delivery_lag_seconds", {"target": "ndjson:out"}) == float("inf")
    assert (trail.directory / CHECKPOINTS).exists()


def test_no_label_holds_a_path_or_a_query() -> None:
    uris = ["https://siem.example:8443/in?token=s3cr3t", "https://siem.example:8443/other", "ndjson:/srv/secret/out"]
    assert list(labels(dict.fromkeys(uris)).values()) == [
        "https://siem.example:8443",
        "https://siem.example:8443 2",
        "ndjson:out",
    ]
