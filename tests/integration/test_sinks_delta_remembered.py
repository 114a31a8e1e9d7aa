"""The Delta sink looks few assets up: it does what one does that looks all up, and holds the same watermarks."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from sinks.compaction_policy import CadencePolicy
from sinks.delta import recent_assets
from sinks.delta.recent_assets import RecentAssets
from sinks.delta.sink import DeltaSink
from stream.clock import ManualClock
from stream.events.asset import AssetDeleted, ContentRetired
from stream.events.base import Event, Payload
from stream.events.ids import asset_key
from tests.support.annotations import annotations, asset_deleted, events, key_of, ref, retired
from tests.support.sinks import feed, rows_of

CLIPS = [f"clip-{number}" for number in range(6)]
_BATCHES = 18


def batches() -> list[list[Event]]:
    """Cells, retirements and deletions in any order; a fifth of all records comes again, some of them late."""
    drawn = random.Random(18)
    told: list[Event] = []
    found = []
    for number in range(_BATCHES):
        batch = []
        for _ in range(drawn.randint(1, 4)):
            clip, version = drawn.choice(CLIPS), 1 + number
            content, late = drawn.choice("ab"), drawn.choice([0, 0, 0, 2])
            made: list[Payload | Event] = [
                *[annotations(ref(clip, max(1, version - late)), drawn.randrange(3), content=content)] * 3,
                *[retired(version, key_of(content, clip), ref(clip, version))] * 2,
                asset_deleted(ref(clip, max(1, version - late))),
            ]
            (event,) = events(drawn.choice(made))
            batch.append(drawn.choice(told) if told and drawn.random() < 0.2 else event)
        told += batch
        found.append(batch)
    return found


def sink_at(place: Path) -> DeltaSink:
    sink = DeltaSink(place, ManualClock(), cadence=CadencePolicy(commits=3, growth=0.0, most_commits=3))
    sink.open()
    return sink


def said(outputs: list[Event]) -> list[tuple[str, Any]]:
    return sorted((item.id, item.data) for item in outputs)


def held(sink: DeltaSink) -> list[Any]:
    cells = [
        (row["segment_id"], row["version_ms"], row["version_offset"], row["moment_count"])
        for row in sink.store.cells().to_pylist()
    ]
    marks = sorted((key, mark.model_dump_json()) for key, mark in sink.store.retirements().items())
    return [sorted(cells), marks, [rows_of(sink, clip) for clip in CLIPS]]


def all_said(told: list[list[Event]]) -> dict[str, Retirement]:
    """Every watermark of these batches, joined."""
    marks: dict[str, Retirement] = defaultdict(lambda: NOTHING_RETIRED)
    for event in (event for batch in told for event in batch):
        match event.data:
            case AssetDeleted():
                key = asset_key(event.tenant, event.data.asset_id)
                marks[key] = marks[key].joined(Retirement(deleted=event.data.version))
            case ContentRetired():
                key = asset_key(event.data.tenant, event.data.asset_id)
                marks[key] = marks[key].joined(Retirement.of(event.data))
    return dict(marks)


def test_a_sink_that_remembers_few_does_what_one_does_that_looks_all_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_assets, "MOST_ASSETS", 2)
    asked = {"one": 0, "other": 0}
    unmarked = RecentAssets.unmarked

    def counted(recent: RecentAssets, oldest_ms: Any) -> set[str]:
        found = unmarked(recent, oldest_ms)
        asked[turn] += len(found)
        return found

    monkeypatch.setattr(RecentAssets, "unmarked", counted)
    one, other = sink_at(tmp_path / "one"), sink_at(tmp_path / "other")
    one.store.tend()  # from here on it knows which assets need no look-up
    for number, batch in enumerate(batches()):
        turn = "one"
        outputs = said(feed(one, batch))
        other.close()
        other = sink_at(tmp_path / "other")
        turn = "other"
        assert outputs == said(feed(other, batch)), number
    assert held(one) == held(other)
    assert one.store.retirements() == all_said(batches())
    assert 0 < asked["one"] < asked["other"] / 2
    one.maintain()
    assert held(one) == held(other)
    one.close()
    other.close()
