"""A whole run over divided stores: the same rows as over undivided ones, resumed, searched and deleted alike."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import assert_same_rows, light_settings, published, run_events, stored_rows
from sinks.layout import Layout
from sinks.maintenance.verify import verify
from sinks.query.catalogue import Catalogue
from stream.clock import SystemClock
from stream.pipelines.stages import DECODE
from stream.sessions.maintenance import compact

NAMES = ("one", "two", "three", "four")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for place, name in enumerate(NAMES):
        write_clip(folder / f"{name}.mp4", seconds=12 + 4 * place, fps=4, scenes=3 + place, size=(64, 48))
    return folder


def test_a_divided_store_holds_what_a_whole_one_holds(files: Path, tmp_path: Path) -> None:
    whole = light_settings(tmp_path / "whole", files)
    divided = replace(whole, state_dir=tmp_path / "divided", index_shards=3, parquet_shards=2)
    events = [published(files / f"{name}.mp4", asset_id=name) for name in NAMES]
    for settings in (whole, divided):
        run_events(settings, events)
    assert_same_rows(stored_rows(divided.state_dir), stored_rows(whole.state_dir))
    assert (Layout.of(divided.index_dir).shards, Layout.of(divided.parquet_dir).shards) == (3, 2)
    assert verify(divided.index_dir, divided.parquet_dir).agrees

    again = run_events(divided, events)
    assert DECODE not in again.totals(), "what is stored is not done again"

    assert sorted(item.asset_id for item in Catalogue(divided.index_dir).assets()) == sorted(NAMES)
    compact(divided, SystemClock(), deletions=[("default", "two")])
    left = stored_rows(divided.state_dir)
    assert {row["asset_id"] for row in left.ordered} == set(NAMES) - {"two"}
    assert verify(divided.index_dir, divided.parquet_dir).agrees
