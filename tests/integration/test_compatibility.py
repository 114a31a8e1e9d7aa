"""What version 0.1 stored and sent is still read: its stores open, its work counts, its dead letter can be sent again.

`tests/data/README.md` says how the archive was made. The stores lie elsewhere now: nothing in them names their place.
"""

import base64
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from typer.testing import CliRunner

from benchmarks.testbed.runs import stored_rows
from stream.broker.contract import Record
from stream.cli.app import app
from stream.events.annotations import Annotations
from stream.events.asset import (
    AssetChanged,
    AssetDeleted,
    AssetFailed,
    AssetPlanned,
    AssetPublished,
    AssetStatus,
    ContentRetired,
    SegmentFailed,
    SegmentProgressed,
    SpanPlanned,
)
from stream.events.base import Event, Payload
from stream.events.dead_letter import DeadLetter
from stream.events.deployment import RolloutBegun, StoresClaimed
from stream.events.frames import Frames
from stream.topology.codec import EventDecoder
from stream.topology.topics import COMPLETIONS, DEPLOYMENTS, TOPICS

ARCHIVE = Path(__file__).parents[1] / "data" / "release-0.1.tar.xz"
YARD, LATE, GONE = (f"memory://footage/{name}.mp4" for name in ("yard", "late", "gone"))
STORE = ("--scheme", "memory", "--root", "memory://footage")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture
def footage(made: Path) -> Iterator[None]:
    """The object store as it was, and with the clip that was late."""
    store = fsspec.filesystem("memory")
    for clip in (made / "footage").iterdir():
        store.pipe_file(f"/footage/{clip.name}", clip.read_bytes())
    yield
    store.rm("/footage", recursive=True)


def here(made: Path, *arguments: str) -> Any:
    """The document of a command in this process, which has the object store."""
    done = CliRunner().invoke(app, ["--state", str(made / "state"), *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_its_assets_are_listed_found_and_whole(made: Path) -> None:
    listed = here(made, "status")
    assert {asset["asset_id"]: (asset["status"], asset["segments_done"], asset["code"]) for asset in listed} == {
        YARD: ("ready", 2, None),
        LATE: ("failed", 0, "not_found"),
        GONE: ("deleted", 0, None),
    }
    hits = here(made, "search", "green stripes", "--no-group", "--label", "camera=3")
    assert {(hit["uri"], hit["project"], hit["start_s"], hit["end_s"]) for hit in hits} == {
        (YARD, "news", 0.0, 4.0),
        (YARD, "news", 4.0, 8.0),
        (YARD, "news", 8.0, 10.0),
        (YARD, "news", 10.0, 12.0),
    }
    assert here(made, "verify")["agrees"]


@pytest.mark.usefixtures("footage")
def test_what_it_has_done_is_not_done_again(made: Path) -> None:
    before = stored_rows(made / "state")
    again = here(made, "ingest", YARD, "--light", *STORE, "--project", "news", "--label", "camera=3")
    assert again["decoded_s"] == 0.0
    assert [(asset["status"], asset["segments_done"]) for asset in again["assets"]] == [("ready", 2)]
    assert stored_rows(made / "state").lance.keys() == before.lance.keys()
    assert here(made, "verify")["agrees"]


@pytest.mark.usefixtures("footage")
def test_its_dead_letter_can_be_sent_again(made: Path) -> None:
    (dead_letter,) = here(made, "dead-letters", "list")
    assert (dead_letter["code"], dead_letter["stage"], dead_letter["replays"]) == ("not_found", "plan", 0)
    here(made, "dead-letters", "replay", dead_letter["letter_id"], *STORE)
    assert {asset["asset_id"]: asset["status"] for asset in here(made, "status")} == {
        YARD: "ready",
        LATE: "ready",
        GONE: "deleted",
    }
    assert here(made, "verify")["agrees"]


def read(made: Path) -> dict[tuple[str, type[Payload]], Event]:
    """Its records through today's decoder, by topic and payload."""
    decoder = EventDecoder([*TOPICS.values(), COMPLETIONS, DEPLOYMENTS])
    events: dict[tuple[str, type[Payload]], Event] = {}
    for offset, each in enumerate(json.loads((made / "records.json").read_text())):
        headers = {name: value.encode() for name, value in each["headers"].items()}
        appended_ms = int(each["headers"]["ce_eventtime"])
        value = base64.b64decode(each["value"])
        event = decoder.decode(Record(each["topic"], 0, offset, each["key"].encode(), value, headers, appended_ms))
        assert event.id == each["headers"]["ce_id"]
        assert (event.tenant, event.project) == ("default", each["headers"]["ce_project"])
        assert event.subject == each["headers"]["ce_subject"]
        assert event.event_time_ms == appended_ms
        events[each["topic"], type(event.data)] = event
    return events


def test_its_records_are_still_read(made: Path) -> None:
    found = {key: event.data for key, event in read(made).items()}
    assert len(found) == 16

    def of(topic: str, kind: type[Payload]) -> Any:
        return found[topic, kind]

    assert of("assets", AssetPublished).uri == GONE
    assert of("assets", AssetDeleted).asset_id == YARD
    planned, span = of("annotations", AssetPlanned), of("spans", SpanPlanned)
    assert (planned.uri, planned.segment_count, planned.media.duration_ns) == (GONE, 1, 600_000_000)
    assert (span.first_segment, span.end_segment, span.content_digest) == (0, 1, planned.content_digest)
    frames, annotated = of("frames", Frames), of("annotations", Annotations)
    assert (frames.segment, len(frames.samples)) == (0, 3)
    assert [row["caption"] for row in annotated.rows.to_pylist()] == ["Possibly green and blue."]
    assert of("annotations", AssetFailed).code == "not_found"
    assert (of("annotations", SegmentFailed).segment, of("annotations", SegmentFailed).code) == (1, "no_frames")
    assert of("annotations", AssetDeleted).asset_id == YARD
    assert of("progress", AssetChanged).status is AssetStatus.PLANNED
    assert of("completions", AssetChanged).asset.asset_id == GONE
    assert of("retirements", ContentRetired).asset_id == GONE
    assert of("deployments", RolloutBegun).aim.understand == "0a1b"
    assert of("deployments", StoresClaimed).place == "/stores"
    dead_letter = of("dead-letters", DeadLetter)
    assert (dead_letter.topic, dead_letter.code, json.loads(dead_letter.value)["uri"]) == ("assets", "not_found", LATE)
    progressed = of("progress", SegmentProgressed)
    assert (progressed.stage, progressed.segment, progressed.video_ns) == ("plan", 0, 600_000_000)
