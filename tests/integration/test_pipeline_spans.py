"""Spans leave no mark on what is stored, segments cover the asset exactly, and every moment is complete."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.testbed.clips import Clip, write_clip
from benchmarks.testbed.runs import (
    Row,
    StoredRows,
    assert_complete,
    assert_covers,
    assert_same_rows,
    last_change,
    light_settings,
    published,
    run_events,
    stored_rows,
)
from sinks.query.moments import MomentIndex
from stream.events.asset import AssetStatus
from stream.events.grid import SECOND_NS
from stream.pipelines.settings import ModelChoice, Settings
from stream.search.retrieval import Probe, best_matches

CUTS = ((10.0, 1), (40.0, 1), (3600.0, 1), (3600.0, 3))
"""The longest span (s), and how many children decode: a short film is cut for those that have no work."""
SECONDS = 63


@dataclass(frozen=True, slots=True)
class Runs:
    clip: Clip
    rows: tuple[StoredRows, ...]


def run(settings: Settings, clip: Path, *, span_s: float, children: int = 1) -> StoredRows:
    progress = run_events(replace(settings, max_span_s=span_s, decode_children=children), [published(clip)])
    assert last_change(progress, str(clip)).status is AssetStatus.READY
    return stored_rows(settings.state_dir)


def cuts_ns(rows: list[Row]) -> list[int]:
    """Where shots begin. One that begins with a cell is marked on the moment before it, in the cell that it ends."""
    begins = {row["start_ns"] for row in rows if row["starts_at_cut"]}
    return sorted(begins | {row["end_ns"] for row in rows if row["ends_at_cut"]})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The same clip in spans of 10 s, 40 s, all of it, and shared by children. Key frames lie off the grid of cells."""
    root = tmp_path_factory.mktemp("spans")
    scenes = [7.0, 3.0, 9.48, 0.6, 12.0, 30.92]
    clip = write_clip(root / "clip.mp4", seconds=SECONDS, fps=25, gop=180, scenes=scenes)
    found = tuple(
        run(light_settings(root / f"state-{at}", clip.path), clip.path, span_s=span_s, children=children)
        for at, (span_s, children) in enumerate(CUTS)
    )
    return Runs(clip, found)


@pytest.mark.parametrize("other", range(1, len(CUTS)))
def test_spans_are_invisible(runs: Runs, other: int) -> None:
    assert_same_rows(runs.rows[other], runs.rows[0])


def test_stores_hold_the_same_moments(runs: Runs) -> None:
    for rows in runs.rows:
        assert rows.lance.keys() == rows.delta.keys()
        assert_same_rows(StoredRows(rows.lance, rows.delta), StoredRows(rows.lance, rows.lance), but=["image_vector"])


def test_moments_cover_the_asset_and_begin_at_its_cuts(runs: Runs) -> None:
    rows = runs.rows[0].ordered
    assert_covers(rows, SECONDS * SECOND_NS)
    frame_ns = SECOND_NS // 25
    assert cuts_ns(rows) == [frame * frame_ns for frame in runs.clip.cuts]
    assert {row["segment"] for row in rows} == set(range(7))
    assert {row["shot_method"] for row in rows} == {"hashing"}


def test_every_moment_is_complete(runs: Runs) -> None:
    for row in runs.rows[0].ordered:
        assert_complete(row)


def test_fast_profile_has_moments_and_no_shots(tmp_path: Path, runs: Runs) -> None:
    settings = light_settings(tmp_path / "state", runs.clip.path)
    run_events(settings, [published(runs.clip.path, profile="fast")])
    rows = stored_rows(settings.state_dir).ordered
    assert_covers(rows, SECONDS * SECOND_NS)
    assert {row["shot_method"] for row in rows} == {"none"}
    assert {row["profile"] for row in rows} == {"fast"}
    assert not any(row["starts_at_cut"] or row["ends_at_cut"] for row in rows)
    for row in rows:
        assert_complete(row)
    assert runs.rows[0].lance.keys().isdisjoint(row["moment_id"] for row in rows)
    index = MomentIndex(settings.index_dir)
    (space,) = index.spaces()
    best = best_matches(index, space.key, Probe(rows[3]["vector"]), limit=1)
    assert [hit.moment.moment_id for hit in best] == [rows[3]["moment_id"]]
    assert best[0].reason.similarity == pytest.approx(1.0, abs=1e-4)


def test_hashing_captioner_rewrites_rows_as_revision_one(tmp_path: Path, runs: Runs) -> None:
    models = replace(ModelChoice.light(), captioner="hashing")
    settings = light_settings(tmp_path / "state", runs.clip.path, models=models)
    run_events(settings, [published(runs.clip.path)])
    rows = stored_rows(settings.state_dir)
    assert rows.lance.keys() == rows.delta.keys() == runs.rows[0].lance.keys()
    for row in (*rows.lance.values(), *rows.delta.values()):
        assert row["revision"] == 1
        assert row["caption_method"] == "hashing"
        assert row["caption"] in row["text"]
    changed = {"revision", "caption", "caption_method", "text", "models", "stage_digests", "hit"}
    assert_same_rows(rows, runs.rows[0], but=changed)
    index = MomentIndex(settings.index_dir)
    (space,) = index.spaces()
    hits = best_matches(index, space.key, Probe(text="picture"), limit=1000)
    assert {hit.moment.moment_id for hit in hits} == rows.lance.keys()
    assert all(hit.reason.text_place for hit in hits)
    again = run_events(settings, [published(runs.clip.path)])
    assert "decode" not in again.totals(), "captioned cells are done"
