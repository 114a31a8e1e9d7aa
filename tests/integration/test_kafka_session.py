"""Commands over a real broker: the work is done by workers that the command did not start."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import finish, light_settings, rushes, start, stored_rows
from benchmarks.testbed.waiting import wait_for
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.pipelines.understanding import Understanding
from stream.sessions.stage_process import Deployment, prepare
from tests.support.brokers import own_node

pytestmark = pytest.mark.kafka

DEPLOYMENT = Deployment(epoch_ms=1, partitions=1)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with own_node(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture
def broker(servers: str) -> Iterator[KafkaBroker]:
    cluster = KafkaBroker(KafkaSettings(servers, commit_interval_s=0.2), SystemClock())
    yield cluster
    cluster.close()


@pytest.fixture
def uri(broker: KafkaBroker, servers: str, tmp_path: Path) -> str:
    topology = Understanding(light_settings(tmp_path), SystemClock(), epoch_ms=0).topology()
    prepare(broker, topology, DEPLOYMENT)
    return f"kafka://{servers}"


@pytest.fixture
def workers(uri: str, tmp_path: Path) -> Iterator[None]:
    """One process of all stages, over the state directory `tmp_path/state`, which may read what lies in `tmp_path`."""
    names = [
        stage.name for stage in Understanding(light_settings(tmp_path), SystemClock(), epoch_ms=0).topology().stages
    ]
    process = start(
        tmp_path / "state", "run", *names, "--broker", uri, "--partitions", 1, "--root", tmp_path, "--light",
        log=tmp_path / "workers.log",
    )  # fmt: skip
    yield
    process.terminate()
    assert finish(process).code == 0, (tmp_path / "workers.log").read_text()


@pytest.mark.usefixtures("workers")
def test_footage_goes_through_workers_and_comes_to_its_end(tmp_path: Path, uri: str) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    clip = write_clip(tmp_path / "clip.mp4", seconds=12, fps=5, size=(64, 48)).path
    late = tmp_path / "late.mp4"
    first = rushes(elsewhere, "ingest", clip, late, "--broker", uri, "--json")
    assert first.code == 1, first.err
    assert first.document["finished"]
    assert {name: row["status"] for name, row in first.assets.items()} == {"clip.mp4": "ready", "late.mp4": "failed"}
    assert first.document["decoded_s"] == 12
    # Ready is what search finds; the other store may commit a second later.
    wait_for(
        lambda: stored_rows(state).lance.keys() == stored_rows(state).delta.keys() != set(), "both stores have the clip"
    )

    again = rushes(elsewhere, "ingest", clip, "--broker", uri)
    assert again.code == 0
    assert "Nothing was decoded" in again.out

    write_clip(late, seconds=3, fps=5, size=(64, 48))
    replayed = rushes(state, "dead-letters", "replay", "--all", "--broker", uri, "--json")
    assert replayed.code == 0, replayed.err
    assert {name: row["status"] for name, row in replayed.assets.items()} == {"late.mp4": "ready"}

    told = rushes(elsewhere, "status", "--broker", uri, "--json").document
    assert {Path(row["uri"]).name: row["status"] for row in told["assets"]} == {
        "clip.mp4": "ready",
        "late.mp4": "ready",
    }
    assert {row["stage"]: row["workers"] > 0 for row in told["stages"]}["decode"]
    deleted = rushes(elsewhere, "delete", clip.as_uri(), "nobody.mp4", "--broker", uri)
    assert deleted.code == 1
    assert "Deleted 1 asset(s)" in deleted.out
    assert "no asset 'nobody.mp4'" in deleted.err
    assert {Path(row["asset_id"]).name for row in stored_rows(state).lance.values()} == {"late.mp4"}
    assert not elsewhere.exists(), "a command over a broker keeps nothing of its own"


def test_an_interrupt_leaves_the_work_and_says_how_to_look(tmp_path: Path, uri: str, broker: KafkaBroker) -> None:
    waiting = broker.backlog("assets", "plan").records
    process = start(tmp_path / "state", "ingest", tmp_path / "clip.mp4", "--broker", uri)
    while broker.backlog("assets", "plan").records == waiting:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130
    assert "workers go on" in ended.err
    assert uri in ended.err
    assert broker.backlog("assets", "plan").records == waiting + 1


def test_what_workers_decide_is_refused(tmp_path: Path, uri: str) -> None:
    refused = rushes(tmp_path / "state", "ingest", tmp_path / "clip.mp4", "--light", "--broker", uri)
    assert refused.code == 2
    assert "--light" in refused.err


def test_a_cluster_that_differs_is_reported_and_left_alone(
    broker: KafkaBroker, uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    topology = Understanding(light_settings(tmp_path), SystemClock(), epoch_ms=0).topology()
    prepare(broker, topology, Deployment(0, partitions=2))
    assert "topic assets has 1 partitions, not 2" in caplog.text
    assert len(broker.nodes().topics["assets"].partitions) == 1
    made = rushes(tmp_path, "kafka", "topics", "--broker", uri, "--partitions", 1)
    assert made.code == 0
    assert "topics are correct" in made.out
