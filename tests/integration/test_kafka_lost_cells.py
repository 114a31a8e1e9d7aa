"""Cells that an operator skipped come with the next publication; what still waits is not done twice."""

from collections.abc import Iterator

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, stored_rows
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.watch import KafkaWatch
from stream.events.asset import AssetPublished, AssetStatus
from stream.events.base import Event
from stream.freshness.autoscaler import ScalingPolicy
from stream.freshness.observer import Observer
from tests.support.brokers import kafka_servers
from tests.support.deployed import CLOCK, Site

pytestmark = pytest.mark.kafka

ALL = ("plan", "decode", "understand", "index", "parquet", "dead-letters")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("lost")
    made = Site("lost", light_settings(folder / "state", folder))
    with made.running(*ALL):  # everything has a place, and decoders are warm once
        pass
    yield made
    made.broker.close()


@pytest.fixture
def clip(site: Site, request: pytest.FixtureRequest) -> Event:
    path = site.settings.roots[0] / f"{request.node.name}.mp4"
    write_clip(path, seconds=12, fps=5, size=(64, 48))
    return Event(AssetPublished(uri=str(path), asset_id=path.stem), "t", "p", path.stem, CLOCK.now_ms())


def decoded(site: Site) -> int:
    """Cells that decode reported so far."""
    tail = site.broker.tail("progress", from_start=True)
    found = 0
    while tail.behind:
        found += sum(b'"stage":"decode"' in record.value for record in tail.poll(1000, 1.0))
    tail.close()
    return found


@pytest.mark.parametrize(
    ("topic", "group", "upstream"),
    [("spans", "decode", ("plan",)), ("annotations", "parquet", ("plan", "decode", "understand"))],
)
def test_publishing_again_heals_what_was_skipped(
    site: Site, clip: Event, topic: str, group: str, upstream: tuple[str, ...]
) -> None:
    begun = decoded(site)
    with site.running(*upstream):
        for _ in range(2):
            site.publish(clip)
            site.wait_for_backlog(topic, group, stage="plan")
        for stage in upstream:  # in this order: what one has done lies before the next
            site.wait_for_backlog(topic, group, stage=stage)
        looked = waiting(site)
    assert decoded(site) - begun == (2 if "decode" in upstream else 0), "it waited, and was not done twice"
    assert looked["open_assets"] >= 1
    assert site.skip(topic, group)
    with site.running(*ALL):
        begun = decoded(site)
        for _ in range(2):
            assert site.ingest(clip) == {clip.subject: AssetStatus.READY}
            site.settle()  # it is ready before the Delta table has it, and plan asks both
        assert decoded(site) - begun == 2, "each cell once more"
        assert set(waiting(site).values()) == {0}
    found = stored_rows(site.settings.state_dir)
    assert found.lance.keys() == found.delta.keys()
    assert {row["segment"] for row in found.delta.values() if row["asset_id"] == clip.subject} == {0, 1}


def waiting(site: Site) -> dict[str, float]:
    """What an observer says is left: assets, and seconds of footage by stage. It looks often enough to be sure."""
    groups = {stage.name: stage.sources for stage in site.topology.stages}
    watch = KafkaWatch(KafkaSettings(kafka_servers(), names=site.names), CLOCK, groups)
    try:
        observer = Observer(watch, site.topology, CLOCK, ScalingPolicy())
        for _ in range(3):
            found = observer.step().snapshot
    finally:
        watch.close()
    return {"open_assets": found.open_assets, **{flow.stage: flow.backlog for flow in found.stages}}
