"""What the index decided and the other stores missed is told again, a few assets at a time, from every shard."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.delta.sink import DeltaSink
from sinks.lance.sink import LanceSink
from sinks.layout import Layout
from sinks.maintenance.reconcile import missing_retirements, newest_version_ms
from stream.clock import ManualClock
from stream.events.asset import ContentRetired
from stream.events.base import Event
from tests.support.annotations import annotations, asset_deleted, events, planned, ref, version

ASSETS = 7


@pytest.fixture(params=[(1, 1), (3, 2)], ids=["whole", "shards"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Layout, Layout]:
    """An index and a Delta table, each in so many shards, with assets that the index deleted or replaced since."""
    layouts = (
        Layout(Layout.of(tmp_path / "index").root, request.param[0]),
        Layout(Layout.of(tmp_path / "delta").root, request.param[1]),
    )
    for layout in layouts:
        if layout.shards > 1:
            layout.root.directory.mkdir()
            layout.write()
    for number in range(ASSETS):
        asset = ref(f"clip-{number}")
        stored = events(planned(asset, of=1), annotations(asset, of=1))
        for layout in layouts:
            processed(layout, asset.asset_id, stored)
    for item in missing(layouts):
        processed(layouts[1], item.subject or "", [item])
    for number in range(ASSETS):
        processed(layouts[0], f"clip-{number}", changed(number))
    return layouts


def changed(number: int) -> list[Event]:
    """Every third asset stays, another is deleted, the rest have new content."""
    asset = ref(f"clip-{number}", 2)
    if number % 3 == 0:
        return []
    if number % 3 == 1:
        return [asset_deleted(asset)]
    return events(planned(asset, of=1, content="b"), annotations(asset, of=1, content="b"))


def processed(layout: Layout, asset_id: str, batch: list[Event]) -> list[Event]:
    place = layout.places[layout.shard_of("acme", asset_id)]
    sink = LanceSink(place, ManualClock()) if layout.root.uri.endswith("index") else DeltaSink(place, ManualClock())
    sink.open()
    try:
        return list(sink.process(batch))
    finally:
        sink.close()


def missing(stores: tuple[Layout, Layout]) -> Iterator[Event]:
    return missing_retirements(stores[0].root, stores[1].root)


@pytest.mark.parametrize("at_once", [1, 1000])
def test_what_the_delta_table_missed_is_told(
    stores: tuple[Layout, Layout], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinks.maintenance.reconcile._AT_ONCE", at_once)
    told = list(missing(stores))
    retired = [item.data for item in told if isinstance(item.data, ContentRetired)]
    assert sorted(item.asset_id for item in retired) == ["clip-1", "clip-2", "clip-4", "clip-5"]
    assert {item.asset_id for item in retired if item.keep is None} == {"clip-1", "clip-4"}
    for item in told:
        processed(stores[1], item.subject or "", [item])
    assert list(missing(stores)) == []


def test_the_newest_version_is_asked_for_above_a_time(stores: tuple[Layout, Layout]) -> None:
    newest = version(2).append_ms
    assert newest_version_ms(stores[0].root, 0) == newest
    assert newest_version_ms(stores[0].root, newest - 1) == newest
    assert newest_version_ms(stores[0].root, newest) == newest
    assert newest_version_ms(stores[0].root, newest + 5) == newest + 5


def test_of_stores_that_do_not_exist_nothing_is_told(tmp_path: Path) -> None:
    assert list(missing_retirements(tmp_path / "index", tmp_path / "delta")) == []
    assert newest_version_ms(tmp_path / "index", 7) == 7
