"""A whole run whose stores lie on an object store: the same rows as in directories, resumed, searched and deleted."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from sinks.location import Location
from sinks.maintenance.verify import verify
from sinks.query.catalogue import Catalogue
from sinks.query.moments import MomentIndex
from stream.clock import SystemClock
from stream.pipelines.settings import Settings
from stream.pipelines.stages import DECODE
from stream.sessions.maintenance import compact


def moments_of(settings: Settings) -> list[tuple[str, int, int]]:
    index = MomentIndex(settings.index_dir)
    (space,) = index.spaces()
    return [(item.asset_id, item.start_ns, item.end_ns) for item in index.moments(space.key)]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, scenes in (("one", 3), ("two", 5)):
        write_clip(folder / f"{name}.mp4", seconds=12, fps=4, scenes=scenes, size=(64, 48))
    return folder


@pytest.mark.parametrize("prefix", ["s3_prefix", pytest.param("azure_prefix", marks=pytest.mark.long)])
def test_stores_on_an_object_store_hold_what_those_in_directories_hold(
    prefix: str, clips: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    local = light_settings(tmp_path / "local", clips)
    place = Location.of(request.getfixturevalue(prefix))
    remote = replace(local, state_dir=tmp_path / "remote", index=place.child("index"), parquet=place.child("parquet"))
    events = [published(clips / f"{name}.mp4", asset_id=name) for name in ("one", "two")]
    for settings in (local, remote):
        run_events(settings, events)
    assert moments_of(remote) == moments_of(local)
    assert verify(*remote.stores).agrees
    assert not [path for path in remote.state_dir.iterdir() if path.is_dir()], "no table lies in the state directory"

    again = run_events(remote, events)
    assert DECODE not in again.totals(), "what is stored is not done again"

    compact(remote, SystemClock(), deletions=[("default", "two")])
    assert {name for name, *_ in moments_of(remote)} == {"one"}
    assert {item.asset_id: item.status for item in Catalogue(remote.index_dir).assets()}["two"] == "deleted"
    assert verify(*remote.stores).agrees
