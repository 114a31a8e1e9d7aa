"""Publications that overtake each other, sources that change under the run, and what a kill left half done."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import (
    StoredRows,
    assert_same_rows,
    decoded_s,
    event_of,
    last_change,
    light_settings,
    published,
    run_events,
    stored_rows,
)
from decoders.sandbox.pool import DecodePool
from sinks.lance.sink import LanceSink
from sinks.maintenance.verify import verify
from sinks.query.catalogue import Catalogue
from sinks.query.filters import Filters
from stream.clock import SystemClock
from stream.events.asset import AssetDeleted, AssetStatus, SpanPlanned
from stream.events.frames import EncodedFrames
from stream.events.ids import AssetVersion
from stream.pipelines.settings import Settings

SECONDS = 45


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two contents of one length, so that only what is seen tells them apart."""
    root = tmp_path_factory.mktemp("takes")
    paths = root / "first.mp4", root / "second.mp4"
    for path, scenes in zip(paths, (9, 7), strict=True):
        write_clip(path, seconds=SECONDS, fps=4, scenes=scenes, gop=20, size=(64, 48))
    return paths


@pytest.fixture(scope="module")
def references(takes: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredRows, StoredRows]:
    """What each content leaves when it is all there is. Both under the asset id `a`."""
    first, second = (reference(path, tmp_path_factory.mktemp(path.stem)) for path in takes)
    return first, second


def reference(path: Path, root: Path) -> StoredRows:
    settings = light_settings(root / "state", path)
    run_events(settings, [published(path, asset_id="a")])
    return stored_rows(settings.state_dir)


@pytest.fixture
def clip(takes: tuple[Path, Path], tmp_path: Path) -> Path:
    """A file that holds the first content so far."""
    return Path(shutil.copy(takes[0], tmp_path / "clip.mp4"))


@pytest.fixture
def settings(tmp_path: Path, takes: tuple[Path, Path]) -> Settings:
    return light_settings(tmp_path / "state", tmp_path, *takes, max_span_s=10.0)


def agree(settings: Settings) -> bool:
    return verify(settings.index_dir, settings.parquet_dir).agrees


@pytest.mark.parametrize("apart_s", [0.0, 0.01, 0.5])
def test_published_twice_is_decoded_once(apart_s: float, clip: Path, settings: Settings) -> None:
    progress = run_events(settings, [published(clip, asset_id="a")], later=[(apart_s, published(clip, asset_id="a"))])
    assert decoded_s(progress) <= 1.05 * SECONDS
    assert last_change(progress, "a").status is AssetStatus.READY
    assert agree(settings)


@pytest.mark.parametrize("apart_s", [(0.01, 0.02), (0.3, 0.6), (0.6, 0.61)])
def test_first_second_first_ends_with_the_first_alone(
    apart_s: tuple[float, float],
    takes: tuple[Path, Path],
    references: tuple[StoredRows, StoredRows],
    settings: Settings,
) -> None:
    first, second = (published(path, asset_id="a") for path in takes)
    back = published(takes[0], asset_id="a")
    progress = run_events(settings, [first], later=[(apart_s[0], second), (apart_s[1], back)])
    assert last_change(progress, "a").status is AssetStatus.READY
    (view,) = Catalogue(settings.index_dir).assets()
    assert (view.status, view.uri) == (AssetStatus.READY, str(takes[0]))
    assert_same_rows(stored_rows(settings.state_dir), references[0])
    assert agree(settings)


@pytest.mark.parametrize("in_place", [True, False], ids=["written over", "replaced"])
@pytest.mark.parametrize("after_cells", [0, 1, 2])
def test_source_that_changes_under_the_run_is_planned_again_and_yields_no_mixed_row(
    in_place: bool,
    after_cells: int,
    takes: tuple[Path, Path],
    references: tuple[StoredRows, StoredRows],
    clip: Path,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode = DecodePool.decode
    cells = 0

    def change() -> None:
        fresh = Path(shutil.copy(takes[1], clip if in_place else tmp_path / "fresh"))
        if not in_place:
            fresh.replace(clip)

    def changing(pool: DecodePool, span: SpanPlanned) -> Iterator[EncodedFrames]:
        nonlocal cells
        if cells == after_cells == 0:
            cells = 1
            change()
        for frames in decode(pool, span):
            yield frames
            cells += 1
            if cells == after_cells:
                change()

    with monkeypatch.context() as patch:
        patch.setattr(DecodePool, "decode", changing)
        progress = run_events(
            light_settings(settings.state_dir, tmp_path, max_span_s=20.0, decode_children=1),
            [published(clip, asset_id="a")],
        )
    assert last_change(progress, "a").status is AssetStatus.READY
    assert_same_rows(stored_rows(settings.state_dir), references[1], but=["uri"])
    assert agree(settings)


def test_failed_version_never_replaces_the_live_one(
    clip: Path, references: tuple[StoredRows, StoredRows], settings: Settings
) -> None:
    run_events(settings, [published(clip, asset_id="a")])
    clip.write_bytes(b"no video at all" * 1000)
    progress = run_events(settings, [published(clip, asset_id="a")])
    assert last_change(progress, "a").status is AssetStatus.FAILED
    (view,) = Catalogue(settings.index_dir).assets()
    assert view.status is AssetStatus.FAILED
    assert view.live_content_key is not None
    assert Catalogue(settings.index_dir).shown([view.live_content_key], Filters())
    assert_same_rows(stored_rows(settings.state_dir), references[0], but=["uri"])


class Ahead(SystemClock):
    """A clock that is a day fast."""

    def now_ms(self) -> int:
        return super().now_ms() + 86_400_000


def test_clock_that_was_set_back_hides_no_later_version(
    clip: Path, takes: tuple[Path, Path], references: tuple[StoredRows, StoredRows], settings: Settings
) -> None:
    run_events(settings, [published(clip, asset_id="a")], clock=Ahead())
    shutil.copy(takes[1], clip)
    progress = run_events(settings, [published(clip, asset_id="a")])
    assert last_change(progress, "a").status is AssetStatus.READY
    assert_same_rows(stored_rows(settings.state_dir), references[1], but=["uri"])


def test_deletion_that_only_the_index_saw_reaches_the_others_with_the_next_run(
    clip: Path, takes: tuple[Path, Path], settings: Settings
) -> None:
    run_events(settings, [published(clip, asset_id="gone"), published(takes[1], asset_id="kept")])
    version = AssetVersion(SystemClock().now_ms(), 0)
    index = LanceSink(settings.index_dir)
    index.open()
    index.process([event_of(AssetDeleted(asset_id="gone", version=version), "gone")])
    index.close()
    assert not agree(settings)
    run_events(settings, [])
    rows = stored_rows(settings.state_dir)
    assert {row["asset_id"] for row in (*rows.lance.values(), *rows.delta.values())} == {"kept"}
    assert agree(settings)
