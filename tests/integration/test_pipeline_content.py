"""Whose rows are whose: the same content again, changed content, several tenants and asset ids, deletion."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import (
    Row,
    StoredRows,
    assert_same_rows,
    decoded_s,
    deletion,
    last_change,
    light_settings,
    published,
    run_events,
    stored_rows,
)
from sinks.maintenance.verify import verify
from stream.events.asset import AssetStatus
from stream.pipelines.settings import Settings


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two contents: 12 s and 23 s."""
    root = tmp_path_factory.mktemp("takes")
    first = write_clip(root / "first.mp4", seconds=12, fps=10, scenes=3)
    second = write_clip(root / "second.mp4", seconds=23, fps=10, scenes=5)
    return first.path, second.path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return light_settings(tmp_path / "state", tmp_path)


def agree(settings: Settings) -> bool:
    return verify(settings.index_dir, settings.parquet_dir).agrees


def contents(rows: StoredRows) -> set[str]:
    return {row["content_key"] for row in (*rows.lance.values(), *rows.delta.values())}


def owned_by(tenant: str, asset_id: str) -> Callable[[Row], bool]:
    return lambda row: (row["tenant"], row["asset_id"]) == (tenant, asset_id)


def same_picture(row: Row) -> tuple[object, ...]:
    """What footage alone decides."""
    return row["start_ns"], row["end_ns"], row["thumbnail"], tuple(row["vector"]), str(row["tags"])


def test_content_replaces_content_under_one_name(takes: tuple[Path, Path], settings: Settings, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(takes[0], clip)
    first = run_events(settings, [published(clip, asset_id="a")])
    rows_first = stored_rows(settings.state_dir)
    assert decoded_s(first) == 12
    assert last_change(first, "a").status is AssetStatus.READY

    again = run_events(settings, [published(clip, asset_id="a")])
    assert decoded_s(again) == 0
    assert last_change(again, "a").status is AssetStatus.READY
    assert stored_rows(settings.state_dir) == rows_first

    shutil.copy(takes[1], clip)
    changed = run_events(settings, [published(clip, asset_id="a")])
    rows_second = stored_rows(settings.state_dir)
    assert decoded_s(changed) == 23
    assert last_change(changed, "a").status is AssetStatus.READY
    assert rows_first.lance.keys().isdisjoint(rows_second.lance)
    assert rows_second.lance.keys() == rows_second.delta.keys()
    assert len(contents(rows_second)) == 1
    assert agree(settings)

    shutil.copy(takes[0], clip)
    back = run_events(settings, [published(clip, asset_id="a")])
    assert decoded_s(back) == 12, "the old rows were swept, so they are made again"
    assert last_change(back, "a").status is AssetStatus.READY
    assert_same_rows(stored_rows(settings.state_dir), rows_first)
    assert agree(settings)


def test_last_of_several_contents_in_one_run_stays(takes: tuple[Path, Path], settings: Settings) -> None:
    allowed = light_settings(settings.state_dir, *takes)
    first, second = takes
    events = [published(clip, asset_id="a") for clip in (first, second, first)]
    progress = run_events(allowed, events)
    rows = stored_rows(settings.state_dir)
    assert last_change(progress, "a").status is AssetStatus.READY
    assert len(contents(rows)) == 1
    assert max(row["end_ns"] for row in rows.lance.values()) == 12 * 10**9
    assert rows.lance.keys() == rows.delta.keys()
    assert agree(allowed)


def test_owners_of_the_same_file_share_no_row_and_leave_alone(takes: tuple[Path, Path], settings: Settings) -> None:
    allowed = light_settings(settings.state_dir, *takes)
    clip = takes[0]
    events = [
        published(clip, asset_id="one", tenant="acme"),
        published(clip, asset_id="one", tenant="umbra"),
        published(clip, asset_id="two", tenant="acme"),
    ]
    progress = run_events(allowed, events)
    assert decoded_s(progress) == 3 * 12
    everything = stored_rows(settings.state_dir)
    owners = {("acme", "one"), ("umbra", "one"), ("acme", "two")}
    shares = {owner: everything.of(owned_by(*owner)) for owner in owners}
    moments = {len(share.lance) for share in shares.values()}
    assert len(moments) == 1
    assert sum(len(share.lance) for share in shares.values()) == len(everything.lance)
    assert len({row["segment_id"] for row in everything.lance.values()}) == 3 * 2
    pictures = [[same_picture(row) for row in share.ordered] for share in shares.values()]
    assert pictures[0] == pictures[1] == pictures[2]

    gone = run_events(allowed, [deletion("one", tenant="acme")])
    assert last_change(gone, "one", "acme").status is AssetStatus.DELETED
    left = stored_rows(settings.state_dir)
    assert len(left.lance) == len(everything.lance) * 2 // 3
    assert_same_rows(left, everything.of(lambda row: not owned_by("acme", "one")(row)))
    assert agree(allowed)

    back = run_events(allowed, [published(clip, asset_id="one", tenant="acme")])
    assert decoded_s(back) == 12
    assert last_change(back, "one", "acme").status is AssetStatus.READY
    assert_same_rows(stored_rows(settings.state_dir), everything)


def test_deletion_in_the_run_that_published_leaves_no_row(takes: tuple[Path, Path], settings: Settings) -> None:
    allowed = light_settings(settings.state_dir, *takes)
    progress = run_events(allowed, [published(takes[1], asset_id="a"), deletion("a")])
    assert last_change(progress, "a").status is AssetStatus.DELETED
    rows = stored_rows(settings.state_dir)
    assert (rows.lance, rows.delta) == ({}, {})
    assert agree(allowed)
