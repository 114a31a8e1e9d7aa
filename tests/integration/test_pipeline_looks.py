"""What a run does not look for is not decoded, not stored, and told from what was looked for and not found."""

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import (
    StoredRows,
    decoded_s,
    descendants,
    light_settings,
    published,
    run_events,
    stored_rows,
)
from sinks.maintenance.verify import verify
from sinks.query.filters import Filters
from stream.clock import SystemClock
from stream.errors import BadRequest
from stream.events.frames import Frames
from stream.pipelines.settings import ModelChoice, Settings
from stream.search.application import Search
from stream.search.request import MomentRef, SearchRequest, Words
from stream.sessions.embedded import Embedded
from stream.topology.codec import EventDecoder
from stream.topology.topics import FRAMES


def looking(settings: Settings, clip: Path) -> tuple[list[Frames], StoredRows]:
    """What was decoded, cell by cell, and what is stored."""
    with Embedded(settings, SystemClock()) as run:
        frames = run.broker.follow(FRAMES.name, 0)
        run.publish([published(clip, asset_id="a")])
        assert run.run(threading.Event(), lambda _progress, _paused: None)
        found = [EventDecoder([FRAMES]).decode(record).data for record in frames.poll(100, 0.0)]
    cells = [cell for cell in found if isinstance(cell, Frames)]
    return sorted(cells, key=lambda cell: cell.segment), stored_rows(settings.state_dir)


def for_looks(state: Path, clip: Path, looks: Sequence[str]) -> Settings:
    return light_settings(state, clip, models=ModelChoice.light().looking_for(looks))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("looks") / "clip.mp4", seconds=23, fps=25, scenes=5).path


def test_tags_alone_pay_for_tags_alone(clip: Path, tmp_path: Path) -> None:
    whole, _ = looking(light_settings(tmp_path / "state", clip), clip)
    settings = for_looks(tmp_path / "state", clip, ["tags"])
    cells, rows = looking(settings, clip)
    assert [cell.dense is None for cell in whole] == [False] * 3
    assert [cell.dense for cell in cells] == [None] * 3
    grid = [[sample for sample in cell.samples if sample.kind == "grid"] for cell in whole]
    assert [list(cell.samples) for cell in cells] == grid
    assert {cell.segment_id for cell in cells}.isdisjoint(cell.segment_id for cell in whole), "other cells by name"

    assert len(rows.lance) == len(rows.delta) == 3, "what was there before is replaced"
    assert verify(settings.index_dir, settings.parquet_dir).agrees
    for row in rows.lance.values():
        assert "vector" not in row
        assert (row["shot_method"], row["moderation_nsfw"], row["caption_method"]) == ("none", None, "template")
        assert [model["role"] for model in json.loads(row["models"])] == ["tags"]
        assert row["tags"]
    assert [list(row["vector"]) for row in rows.delta.values()] == [[]] * 3
    assert decoded_s(run_events(settings, [published(clip, asset_id="a")])) == 0, "what is there is not done again"

    with Search(settings, SystemClock()) as search:
        word = next(iter(rows.lance.values()))["tags"][0]["label"]
        answer = search.answer(SearchRequest(Words(word), Filters(tenant="default")))
        assert answer.hits
        for hit in answer.hits:
            assert (hit.score, hit.strength, hit.not_looked_for) == (None, "unrated", ("shots", "moderation"))
            assert word in hit.why
        with pytest.raises(BadRequest) as refused:
            search.answer(SearchRequest(MomentRef(answer.hits[0].moment_ids[0]), Filters()))
        assert refused.value.code == "no_vectors"


def test_shots_and_moderation_alone_leave_out_tags(clip: Path, tmp_path: Path) -> None:
    settings = for_looks(tmp_path / "shots", clip, ["shots", "moderation"])
    cells, rows = looking(settings, clip)
    assert all(cell.dense is not None for cell in cells)
    assert len(rows.lance) > 3
    for row in rows.lance.values():
        assert (row["shot_method"], row["tags"], row["caption"], row["caption_method"]) == ("hashing", [], "", "none")
        assert row["moderation_nsfw"] is not None


def test_decode_children_start_while_the_rest_is_loaded(clip: Path, tmp_path: Path) -> None:
    """Nothing is published yet, and no stage has opened."""
    settings = light_settings(tmp_path / "state", clip)
    before = set(descendants(os.getpid()))
    with Embedded(settings, SystemClock()):
        started = set(descendants(os.getpid())) - before
        assert len(started) == settings.decode_children
