"""The index sink remembers the assets of its last batches: it does what one does that looks all of them up."""

import random
from pathlib import Path
from typing import Any

from sinks.compaction_policy import CadencePolicy
from sinks.lance.known_assets import NOTHING_STORED, KnownAsset, KnownAssets
from sinks.lance.sink import LanceSink
from sinks.tables.names import ASSETS, SEGMENTS
from stream.clock import ManualClock
from stream.events.base import Event, Payload
from stream.events.ids import asset_key
from tests.support.annotations import (
    SPACE,
    annotations,
    asset_deleted,
    asset_failed,
    events,
    planned,
    ref,
    segment_failed,
)
from tests.support.sinks import feed

CLIPS = [f"clip-{number}" for number in range(5)]
_BATCHES = 24


def batches() -> list[list[Event]]:
    """Versions, cells, failures and deletions of some assets in any order; a fifth of all records comes again."""
    drawn = random.Random(18)
    told: list[Event] = []
    found = []
    for number in range(_BATCHES):
        batch = []
        for _ in range(drawn.randint(1, 6)):
            asset = ref(drawn.choice(CLIPS), 1 + number // 3)
            content = drawn.choice("ab")
            segment = drawn.randrange(3)
            payloads: list[Payload | Event] = [
                planned(asset, content=content),
                *[annotations(asset, segment, content=content, revision=drawn.randrange(2))] * 4,
                segment_failed(asset, segment, content=content),
                asset_failed(asset),
                *[asset_deleted(asset)] * (drawn.random() < 0.5),
            ]
            (made,) = events(drawn.choice(payloads))
            batch.append(drawn.choice(told) if told and drawn.random() < 0.2 else made)
        told += batch
        found.append(batch)
    return found


def sink_at(place: Path) -> LanceSink:
    sink = LanceSink(place, ManualClock(), cadence=CadencePolicy(commits=3, growth=0.0, most_commits=3))
    sink.open()
    return sink


def said(outputs: list[Event]) -> list[tuple[str, Any]]:
    return sorted((item.id, item.data) for item in outputs)


def held(sink: LanceSink) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for name in (SEGMENTS, ASSETS, f"moments_{SPACE.key}"):
        rows = sink.store.tables.select(name, "")
        assert rows is not None
        found[name] = sorted(rows.to_pylist(), key=str)
    return found


def test_a_sink_that_remembers_does_what_one_does_that_looks_up(tmp_path: Path) -> None:
    one, other = sink_at(tmp_path / "one"), sink_at(tmp_path / "other")
    for batch in batches():
        outputs = said(feed(one, batch))
        other.close()
        other = sink_at(tmp_path / "other")
        assert outputs == said(feed(other, batch))
    assert held(one) == held(other)
    one.close()
    other.close()


def test_what_it_remembers_is_what_is_stored(tmp_path: Path) -> None:
    sink = sink_at(tmp_path)
    feed(sink, events(*(planned(ref(clip)) for clip in CLIPS), *(annotations(ref(clip)) for clip in CLIPS)))
    sink.store.tend()  # from here on no asset is looked up that is not there
    feed(sink, events(asset_deleted(ref(CLIPS[0], 2)), annotations(ref(CLIPS[1]), 1), segment_failed(ref(CLIPS[2]), 2)))
    keys = [asset_key("acme", clip) for clip in (*CLIPS, "none")]
    remembered = sink.store.known(keys)
    sink.store.close()
    looked_up = sink.store.known(keys)
    for key in keys:
        assert remembered[key].state == looked_up[key].state
        orders = [{item.cell: item.order for item in found[key].entries} for found in (remembered, looked_up)]
        assert orders[0] == orders[1]
        assert remembered[key].lying in (None, looked_up[key].lying)
    assert remembered[asset_key("acme", "none")] == NOTHING_STORED
    sink.close()


def test_an_asset_that_is_being_changed_is_not_known_until_that_is_done() -> None:
    assets = KnownAssets()
    assets.fill(lambda: (0, ()))
    assert assets.of(["a"]) == {"a": NOTHING_STORED}
    assets.changing(assets.of(["a"]))
    assert assets.of(["a"]) == {}, "not even that there is nothing"
    assets.learn({"a": KnownAsset(lying=7)})
    assert assets.of(["a", "b"]) == {"a": KnownAsset(lying=7), "b": NOTHING_STORED}
    assets.forget(["a", "b"])
    assert assets.of(["a"]) == {}
