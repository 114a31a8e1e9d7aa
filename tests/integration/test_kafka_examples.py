"""The programs of `docs/examples` work on a real broker, by the commands of their page."""

import csv
import io
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, stored_rows
from benchmarks.testbed.waiting import must_run, wait_for
from deploy.example_clients import EXAMPLES
from stream.broker.contract import Record
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.names import Names
from stream.clock import SystemClock
from stream.events.asset import AssetChanged, AssetPublished, AssetRef, AssetStatus
from stream.events.base import Event
from stream.events.ids import AssetVersion
from stream.pipelines.control import topics
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import ASSETS, COMPLETIONS
from tests.support.brokers import kafka_servers
from tests.support.control import ControlProcess
from tests.support.deployed import Site
from tests.support.example_programs import PROGRAMS, command, commands

pytestmark = pytest.mark.kafka

CLOCK = SystemClock()
WAIT_S = 60.0
PAGE_URI = "file:///footage/interview.mov"
STRUCTURED = ("publish_asset_structured.py", "publish-asset.sh")


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    names = Names("examples")
    found = KafkaBroker(KafkaSettings(kafka_servers(), commit_interval_s=0.2, names=names), CLOCK)
    found.ensure([ASSETS.spec(1), COMPLETIONS.spec(1)])
    yield found
    found.close()


def published(broker: KafkaBroker, asset_id: str) -> Record:
    """The one record of an asset."""
    tail = broker.tail(ASSETS.name, from_start=True)
    deadline_s = CLOCK.monotonic_s() + WAIT_S
    found: list[Record] = []
    while not found:
        assert CLOCK.monotonic_s() < deadline_s, f"nothing of {asset_id} came"
        found = [record for record in tail.poll(100, 0.2) if record.key == asset_id.encode()]
    tail.close()
    (record,) = found
    return record


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_program_publishes_is_an_asset_event(program: str, broker: KafkaBroker, tmp_path: Path) -> None:
    asset_id = "interview.mov" if program == "publish-asset.sh" else f"{program.replace(':', '-')}.mov"
    uri = f"file:///footage/{asset_id}"
    asked = {"localhost:9092": kafka_servers(), "assets": "examples.assets", PAGE_URI: uri}
    before_ms = CLOCK.now_ms()
    told = command(program).replaced(asked).output(tmp_path)
    after_ms = CLOCK.now_ms()
    record = published(broker, asset_id)
    event = EventDecoder([ASSETS]).decode(record)
    assert (event.tenant, event.project, event.subject, event.source) == (
        "acme", "news", asset_id, "urn:example:publish-asset",
    )  # fmt: skip
    assert event.data == AssetPublished(
        uri=uri, asset_id=asset_id, labels={"desk": "sport"}, priority="interactive", profile="full"
    )
    assert len(event.id) == 36
    assert ("ce_type" not in record.headers) == (program in STRUCTURED)
    if program == "publish-asset.sh":
        assert event.event_time_ms == datetime.fromisoformat("2026-01-31T08:30:00.250Z").timestamp() * 1000
    else:
        assert before_ms <= event.event_time_ms <= after_ms
        assert "published to examples.assets, partition 0, offset " in told


def completion(asset_id: str, status: AssetStatus) -> Event:
    version = AssetVersion(CLOCK.now_ms(), 0)
    asset = AssetRef(tenant="acme", project="news", asset_id=asset_id, version=version)
    data = AssetChanged(asset=asset, uri=PAGE_URI, status=status, duration_ns=12_000_000_000)
    return Event(data=data, tenant="acme", project="news", subject=asset_id, event_time_ms=CLOCK.now_ms())


def test_only_what_is_ready_is_printed(broker: KafkaBroker, tmp_path: Path) -> None:
    producer = broker.producer()
    for name, status in (
        ("cut.mov", AssetStatus.PARTIAL),
        ("gone.mov", AssetStatus.DELETED),
        ("a.mov", AssetStatus.READY),
    ):
        record = encode(completion(name, status))
        producer.send(COMPLETIONS.name, record.key, record.value, record.headers)
    producer.flush(WAIT_S)
    producer.close()
    asked = {"localhost:9092": kafka_servers(), "completions": "examples.completions"}
    with command("print_ready.py").replaced(asked).running(tmp_path) as reader:
        wait_for(lambda: bool(reader.said()), "the reader says something", meanwhile=must_run(reader.process))
        reader.process.send_signal(signal.SIGINT)
        assert (reader.process.wait(WAIT_S), reader.errors()) == (0, "")
        assert reader.said() == "ready: acme/news a.mov (12.0 s)\n"


def test_from_a_published_file_to_its_rows(tmp_path: Path) -> None:
    """Publish, work to `ready`, be told of it by the control plane, and read what lies in the Delta table."""
    (tmp_path / "reader").mkdir()
    clip = write_clip(tmp_path / "clip.mp4", seconds=12, fps=5, size=(64, 48)).path
    site = Site("walkthrough", light_settings(tmp_path / "state", tmp_path, deployment="walkthrough"))
    asked = {
        "localhost:9092": kafka_servers(),
        "assets": "walkthrough.assets",
        "completions": "walkthrough.completions",
        PAGE_URI: clip.as_uri(),
        "state/parquet/moments": site.settings.parquet_dir.child("moments").uri,
    }
    site.broker.ensure(topics(lambda _: 1))
    with (
        ControlProcess(kafka_servers(), tmp_path / "state", "--deployment", "walkthrough", partitions=1) as control,
        site.running("plan", "decode", "understand", "index", "parquet", "dead-letters"),
        command("print_ready.py").replaced(asked).running(tmp_path / "reader") as reader,
    ):
        control.start()
        command("publish_asset.py").replaced(asked).output(tmp_path)
        control.come_to(lambda: bool(reader.said() or reader.errors()), "the reader says something")
        assert (reader.said(), reader.errors()) == ("ready: acme/news clip.mp4 (12.0 s)\n", "")
    told = command("read_moments.py").replaced(asked).output(tmp_path)
    expected: dict[tuple[str, str], int] = {}
    for row in stored_rows(site.settings.state_dir).delta.values():
        for tag in row["tags"]:
            key = row["asset_id"], tag["label"]
            expected[key] = expected.get(key, 0) + row["end_ns"] - row["start_ns"]
    found = {(row["asset_id"], row["tag"]): float(row["seconds"]) for row in csv.DictReader(io.StringIO(told))}
    assert expected
    assert found == pytest.approx({key: ns / 1e9 for key, ns in expected.items()})
    site.broker.close()


def test_every_program_is_on_the_page_and_runs_here() -> None:
    # The campaign is no program of a producer; `test_example_ads.py` runs it.
    found = (path for path in EXAMPLES.rglob("*") if "ads" not in path.parts)
    here = {path.name for path in found if path.suffix in {".py", ".sh", ".js", ".java"}}
    text = (EXAMPLES / "README.md").read_text()
    assert all(f"{name}](" in text for name in here)
    run = {*PROGRAMS, "print_ready.py", "read_moments.py"}
    assert len(commands()) == len(run) == len(here)
    assert all(command(program) for program in run)
