"""What a person deletes is gone from the disk: no row, thumbnail, label or letter of it in any file of the state."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import (
    Row,
    StoredRows,
    assert_same_rows,
    ingest,
    light_settings,
    published,
    run_events,
    rushes,
    stored_rows,
)
from sinks.dead_letters import DeadLetterFilter, DeadLetters
from sinks.maintenance.verify import verify
from sinks.query.catalogue import Catalogue
from stream.cli.app import app
from stream.cli.context import UsageProblem
from stream.clock import Clock
from stream.events.ids import default_asset_id
from stream.pipelines.settings import Settings
from stream.sessions.embedded import Embedded

MARKER = "xylophone"
# No scheme that is allowed: known at once, and failed.
SIGNED = "s3://user:hunter2@bucket/a.mp4?X-Signature=hunter2#part"
LONG = f"s3://bucket/{'folder/' * 200}a.mp4"


@dataclass(frozen=True, slots=True)
class Library:
    files: Path
    state: Path
    rows: StoredRows

    def of(self, name: str) -> list[Row]:
        return self.rows.of(lambda row: str(row["asset_id"]).endswith(name)).ordered


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Two clips, and a file that is none; one clip and the file carry the marker and are to go."""
    root = tmp_path_factory.mktemp("library")
    files, state = root / "files", root / "state"
    files.mkdir()
    write_clip(files / "kept.mp4", seconds=25, fps=4, scenes=5, size=(64, 48))
    write_clip(files / "doomed.mp4", seconds=35, fps=4, scenes=8, size=(96, 64))
    (files / "broken.mp4").write_bytes(b"no video" * 500)
    assert ingest(state, files / "kept.mp4").code == 0
    marked = ("--label", f"codename={MARKER}")
    assert ingest(state, files / "doomed.mp4", *marked).code == 0
    assert ingest(state, files / "broken.mp4", *marked).code == 1
    return Library(files, state, stored_rows(state))


def holders(state: Path, needle: bytes) -> set[str]:
    """The files that hold these bytes, as they are or in a Parquet file's compressed pages, stale files too."""
    files = [path for path in state.rglob("*") if path.is_file()]
    return {str(path.relative_to(state)) for path in files if needle in path.read_bytes() or needle in cells(path)}


def cells(path: Path) -> bytes:
    if path.suffix != ".parquet":
        return b""
    columns = pq.ParquetFile(path).read().to_pydict().values()
    values = [value for column in columns for value in column]
    return b"\0".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def test_delete_names_what_it_does_not_know_and_compact_needs_a_state(library: Library, tmp_path: Path) -> None:
    unknown = rushes(library.state, "delete", "nobody.mp4")
    assert unknown.code == 2
    assert "rushes status" in unknown.err
    foreign = rushes(library.state, "delete", library.files / "kept.mp4", "--tenant", "other")
    assert foreign.code == 2
    compacted = rushes(library.state, "compact")
    assert compacted.code == 0, compacted.err
    assert_same_rows(stored_rows(library.state), library.rows)
    nowhere = rushes(tmp_path / "nowhere", "compact")
    assert nowhere.code == 2
    assert not (tmp_path / "nowhere").exists()


def test_no_byte_of_a_deleted_asset_is_left(library: Library) -> None:
    state, files = library.state, library.files
    thumbnails = {row["thumbnail"] for row in library.of("doomed.mp4")}
    assert thumbnails.isdisjoint(row["thumbnail"] for row in library.of("kept.mp4"))
    for needle in (*thumbnails, MARKER.encode()):
        places = {place.split("/")[0] for place in holders(state, needle)}
        assert places == {"lancedb", "parquet"}, "the search finds what is there"

    done = rushes(state, "delete", files / "doomed.mp4", files / "broken.mp4", "--json")
    assert done.code == 0, done.err
    assert [item["asset_id"] for item in done.document] == [str(files / name) for name in ("doomed.mp4", "broken.mp4")]
    assert holders(state, MARKER.encode()) == set()
    assert [thumbnail for thumbnail in thumbnails if holders(state, thumbnail)] == []
    named = {place.split("/")[1] for name in ("doomed.mp4", "broken.mp4") for place in holders(state, name.encode())}
    assert named == {"assets.lance"}, "the tombstone has owner, name and time"

    assert_same_rows(stored_rows(state), library.rows.of(lambda row: str(row["asset_id"]).endswith("kept.mp4")))
    assert verify(state / "lancedb", state / "parquet").agrees
    assert DeadLetters(state / "lancedb").listed(DeadLetterFilter(states=())) == []
    status = {Path(item["asset_id"]).name: item["status"] for item in rushes(state, "status", "--json").document}
    assert status == {"kept.mp4": "ready", "doomed.mp4": "deleted", "broken.mp4": "deleted"}
    found = json.loads(rushes(state, "search", "red", "--limit", 50, "--json").out)
    assert {Path(hit["uri"]).name for hit in found} == {"kept.mp4"}

    again = ingest(state, files / "doomed.mp4", "--label", f"codename={MARKER}")
    assert again.code == 0, again.out
    assert_same_rows(stored_rows(state), library.rows)


def known(settings: Settings) -> dict[str, str]:
    return {view.asset_id: str(view.status) for view in Catalogue(settings.index_dir).assets()}


@pytest.fixture
def failing(tmp_path: Path) -> Settings:
    """A state that knows assets by the ids that ingest gives their uris."""
    settings = light_settings(tmp_path / "state")
    uris = (SIGNED, LONG, "s3://bucket/own.mp4")
    own = published(uris[2], asset_id="s3://bucket/own.mp4?take=1")
    run_events(settings, [published(SIGNED), published(LONG), own])
    assert set(known(settings)) == {default_asset_id(SIGNED), default_asset_id(LONG), "s3://bucket/own.mp4?take=1"}
    return settings


@pytest.fixture
def cluster(failing: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The stages over that state stand in for the workers of a cluster."""

    @contextmanager
    def opened(_: Settings, clock: Clock, __: Any) -> Iterator[Embedded]:
        with Embedded(failing, clock) as embedded:
            yield embedded

    monkeypatch.setattr("stream.cli.commands.ingest.opened", opened)
    return failing


def test_an_asset_is_forgotten_by_the_uri_that_was_ingested(failing: Settings) -> None:
    for typed in (SIGNED, default_asset_id(LONG), "s3://bucket/own.mp4?take=1"):
        done = rushes(failing.state_dir, "delete", typed)
        assert done.code == 0, done.err
    assert set(known(failing).values()) == {"deleted"}


def test_workers_forget_by_uri_and_by_id(cluster: Settings) -> None:
    for typed in (SIGNED, default_asset_id(SIGNED), LONG):
        line = ["--state", str(cluster.state_dir), "delete", typed, "--broker", "kafka://h:1", "--json"]
        done = CliRunner().invoke(app, line, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        (row,) = json.loads(done.stdout)
        assert row["asset_id"] == default_asset_id(LONG if typed == LONG else SIGNED)
    assert sorted(known(cluster).values()) == ["deleted", "deleted", "failed"]


def test_an_id_that_looks_like_a_signed_uri_can_be_named(cluster: Settings) -> None:
    line = ["delete", "s3://bucket/own.mp4?take=1", "--broker", "kafka://h:1"]
    assert CliRunner().invoke(app, line, catch_exceptions=False).exit_code == 1
    assert CliRunner().invoke(app, [*line, "--ids"], catch_exceptions=False).exit_code == 0
    assert known(cluster)["s3://bucket/own.mp4?take=1"] == "deleted"


def test_what_the_index_never_knew_is_not_called_deleted(cluster: Settings) -> None:
    line = ["--state", str(cluster.state_dir), "delete", "nobody.mp4", SIGNED, "n" * 300, "--broker", "kafka://h:1"]
    for _ in range(2):  # the tombstone that it leaves is no asset
        done = CliRunner().invoke(app, line, catch_exceptions=False)
        assert done.exit_code == 1
        assert "Deleted 1 asset(s)" in done.output
        assert "no asset 'nnn" in done.output
        assert "'nobody.mp4'" in done.output
        assert "rushes status --broker" in done.output
    run_events(cluster, [published("s3://bucket/x.mp4", asset_id=name) for name in ("nobody.mp4", "n" * 300)])
    assert CliRunner().invoke(app, line, catch_exceptions=False).exit_code == 0


def test_a_name_that_no_asset_can_have_is_refused(cluster: Settings) -> None:
    with pytest.raises(UsageProblem, match="control characters"):
        CliRunner().invoke(app, ["delete", "a\nb", "--broker", "kafka://h:1"], catch_exceptions=False)
