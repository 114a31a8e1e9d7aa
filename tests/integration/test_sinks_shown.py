"""Rows of the index say whether search shows them and under which names; upkeep beside commits changes no row."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lance
import pytest

from benchmarks.testbed.waiting import wait_for
from sinks.lance.hit_column import hits_of
from sinks.lance.live_rows import LIVE_FIELDS
from sinks.lance.sink import LanceSink
from sinks.location import Location
from sinks.query.catalogue import Catalogue
from sinks.query.filters import Filters
from sinks.tables import upkeep
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import ASSETS, moments_table
from sinks.tables.upkeep_policy import UpkeepPolicy
from stream.clock import ManualClock
from stream.events.base import Event
from tests.support.annotations import SPACE, annotations, asset_deleted, events, key_of, planned, ref

TABLE = moments_table(SPACE.key)
HIDDEN = (False, "", ())


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[LanceSink]:
    made = opened(tmp_path)
    yield made
    made.close()


def opened(directory: Path) -> LanceSink:
    sink = LanceSink(directory, ManualClock())
    sink.open()
    return sink


def said(sink: LanceSink) -> dict[str, tuple[bool, str, tuple[str, ...]]]:
    """What the rows of a content say, which is the same for all of them."""
    rows = sink.store.tables.select(TABLE, "", ["content_key", *(field.name for field in LIVE_FIELDS)])
    assert rows is not None
    found: dict[str, set[tuple[bool, str, tuple[str, ...]]]] = {}
    for row in rows.to_pylist():
        names = (row["visible"], row["live_project"], tuple(row["live_labels"]))
        found.setdefault(row["content_key"], set()).add(names)
    assert all(len(names) == 1 for names in found.values()), found
    return {key: next(iter(names)) for key, names in found.items()}


def feed(sink: LanceSink, *batches: list[Event]) -> None:
    for batch in batches:
        list(sink.process(batch))


def test_rows_show_from_the_plan_on(sink: LanceSink) -> None:
    feed(sink, events(annotations(of=2, labels={"old": "1"})))
    assert said(sink) == {key_of("a"): HIDDEN}
    feed(sink, events(planned(of=2, labels={"o'hara": "yes", "b": "2"})))
    assert said(sink) == {key_of("a"): (True, "news", ("b=2", "o'hara=yes"))}
    feed(sink, events(annotations(segment=1, of=2)))
    assert said(sink) == {key_of("a"): (True, "news", ("b=2", "o'hara=yes"))}


def test_changed_footage_shows_when_it_is_whole(sink: LanceSink) -> None:
    newer = ref(number=2)
    feed(sink, events(planned(of=1), annotations(of=1)))
    feed(sink, events(planned(newer, content="b", of=2), annotations(newer, of=2, content="b")))
    assert said(sink) == {key_of("a"): (True, "news", ()), key_of("b"): HIDDEN}
    feed(sink, events(annotations(newer, 1, of=2, content="b")))
    assert said(sink) == {key_of("b"): (True, "news", ())}


def test_the_same_footage_under_other_names(sink: LanceSink) -> None:
    feed(sink, events(planned(of=1, labels={"a": "1"}), annotations(of=1)))
    feed(sink, events(planned(ref(number=2, project="sport"), of=1, assumed=(0,))))
    assert said(sink) == {key_of("a"): (True, "sport", ())}


def test_the_rows_of_an_older_release_are_brought_up_to_date(sink: LanceSink, tmp_path: Path) -> None:
    newer = ref(number=2)
    feed(sink, events(planned(of=1, labels={"a": "1"}), annotations(of=1), annotations(ref("unplanned"))))
    feed(sink, events(planned(newer, content="b", of=2), annotations(newer, of=2, content="b")))
    wanted = said(sink)
    assert sorted(names for names in wanted.values()) == [HIDDEN, HIDDEN, (True, "news", ("a=1",))]
    table = sink.store.tables.find(TABLE)
    assert table is not None
    table.drop_columns([field.name for field in LIVE_FIELDS])
    sink.close()
    again = opened(tmp_path)
    assert said(again) == wanted
    feed(again, events(annotations(ref("more"), of=1, count=3)))
    table.checkout_latest()
    indexed = {column for index in table.describe_indices() for column in index.field_names}
    assert {"visible", "live_project", "live_labels"} <= indexed
    again.close()


def test_many_names_at_once_are_one_commit(sink: LanceSink, tmp_path: Path) -> None:
    """An update for each of them would take seconds in a large store."""
    clips = [f"clip-{number}" for number in range(6)]
    feed(sink, events(*(annotations(ref(clip), of=1) for clip in clips)))
    before = version_in(tmp_path)
    feed(sink, events(*(planned(ref(clip), of=1, labels={"n": str(at % 5)}) for at, clip in enumerate(clips))))
    assert version_in(tmp_path) == before + 1
    assert said(sink) == {key_of("a", clip): (True, "news", (f"n={at % 5}",)) for at, clip in enumerate(clips)}
    assert [len(rows) for rows in rows_of(sink)] == [12, 6, 6]
    assert hits_in(sink) == {clip: {True} for clip in clips}


def test_what_an_older_release_wrote_in_between_shows_when_this_one_is_back(sink: LanceSink, tmp_path: Path) -> None:
    """That release adds rows that say nothing, and changes names in the assets alone."""
    feed(sink, events(planned(of=1, labels={"a": "1"}), annotations(of=1)))
    feed(sink, events(planned(ref("other"), of=1), annotations(ref("other"), of=1)))
    feed(sink, events(planned(ref("same"), of=1), annotations(ref("same"), of=1)))
    wanted = said(sink)
    tables = sink.store.tables
    tables.update(ASSETS, "asset_id = 'clip'", {"live_project": "'sport'", "updated_at_ms": "7"})
    tables.update(ASSETS, "asset_id = 'other'", {"updated_at_ms": "8"})
    unsaid = {"visible": "NULL", "live_project": "NULL", "live_labels": "NULL"}
    tables.update(TABLE, "asset_id = 'other'", unsaid)
    sink.close()
    before = version_in(tmp_path)
    again = opened(tmp_path)
    assert said(again) == {**wanted, key_of("a"): (True, "sport", ("a=1",))}
    # It may have replaced what they show, of which one column that it did not know would tell nothing.
    assert hits_in(again) == {"clip": {False}, "other": {False}, "same": {True}}
    shown = Catalogue(tmp_path).shown([key_of("a"), key_of("a", "same")], Filters())
    assert {key: item.project for key, item in shown.items()} == {key_of("a"): "sport", key_of("a", "same"): "news"}
    again.close()
    after = version_in(tmp_path)
    assert after > before
    opened(tmp_path).close()
    assert version_in(tmp_path) == after, "once"


@pytest.mark.parametrize("older", [["clip"], ["clip", "other"], []])
def test_a_search_reads_one_column_of_an_asset_and_those_of_an_older_release(
    sink: LanceSink, tmp_path: Path, older: list[str]
) -> None:
    """Which did not know that column, and left it empty."""
    feed(sink, events(planned(of=1, labels={"a": "o'1", "b": "ü"}), annotations(of=1)))
    feed(sink, events(planned(ref("other"), of=1), annotations(ref("other"), of=1), asset_deleted(ref("gone"))))
    keys = [key_of("a"), key_of("a", "other"), key_of("a", "nobody")]
    sink.store.tables.update(ASSETS, "true", {"live_uri": "'by columns'"})
    for name in older:
        sink.store.tables.update(ASSETS, f"asset_id = '{name}'", {"shown": "NULL"})
    shown = Catalogue(tmp_path).shown(keys, Filters())
    assert {item.asset_id: item.uri for item in shown.values()} == {
        name: "by columns" if name in older else "file:///clips/clip.mp4" for name in ("clip", "other")
    }
    assert shown[key_of("a")].labels == ("a=o'1", "b=ü")
    assert shown[key_of("a")].published_ms == ref().version.append_ms


def hits_in(sink: LanceSink) -> dict[str, set[bool]]:
    """By asset: whether its rows say in one column what a hit shows, and say it rightly."""
    rows = sink.store.tables.select(TABLE, "")
    assert rows is not None
    found: dict[str, set[bool]] = {}
    for row, hit in zip(rows.to_pylist(), hits_of(rows).to_pylist(), strict=True):
        assert row["hit"] in (None, hit)
        found.setdefault(row["asset_id"], set()).add(row["hit"] == hit)
    return found


def version_in(directory: Path) -> int:
    return lance.dataset(directory / f"{TABLE}.lance").version


HASTY = UpkeepPolicy(
    tail_fragments=2,
    joined_rows=40,
    fragment_rows=80,
    least_rows=1,
    middle_rows=20,
    part_rows=200,
    most_parts=3,
    deleted=0.05,
    small_fragments=3,
)


def history() -> list[list[Event]]:
    """New footage, changed, replaced and deleted footage, turn by turn."""
    made = []
    for turn in range(40):
        asset = ref(f"clip-{turn}")
        batch = events(planned(asset, of=2), *(annotations(asset, cell, of=2, count=5) for cell in (0, 1)))
        if turn % 3 == 2:
            batch += events(annotations(ref(f"clip-{turn - 2}"), 0, of=2, count=4, revision=1))
        if turn % 5 == 4:
            changed = ref(f"clip-{turn - 1}", 2)
            batch += events(planned(changed, content="b", of=1), annotations(changed, of=1, content="b"))
        if turn % 7 == 6:
            batch.append(asset_deleted(ref(f"clip-{turn - 5}", 3)))
        made.append(batch)
    return made


def rows_of(sink: LanceSink) -> list[list[dict[str, Any]]]:
    names = (TABLE, "segments", "assets")
    tables = [sink.store.tables.select(name, "") for name in names]
    return [sorted(table.to_pylist(), key=repr) for table in tables if table is not None]


def test_upkeep_beside_commits_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = opened(tmp_path / "calm")
    feed(calm, *history())
    wanted = rows_of(calm)
    calm.close()

    sink = opened(tmp_path / "store")
    ended = threading.Event()
    rounds: list[int] = []

    def work() -> None:
        while not ended.is_set():
            for name in (TABLE, "segments", "assets"):
                sink.store.tables.tend(name, HASTY)
            rounds.append(1)

    worker = threading.Thread(target=work)
    worker.start()
    for number, batch in enumerate(history()):
        feed(sink, batch)
        if number % 10 == 9:
            due = len(rounds) + 2
            wait_for(lambda due=due: len(rounds) >= due, "upkeep has gone round")  # type: ignore[misc]
    ended.set()
    worker.join()
    sink.store.tables.tend(TABLE, HASTY)
    assert rows_of(sink) == wanted
    fragments = upkeep.fragments(Location.of(tmp_path / "store" / f"{TABLE}.lance"))
    assert len(fragments) < 20, "they were joined, of more than 40"
    assert any(item.covered for item in fragments)
    sink.close()


def test_an_append_does_not_wait_while_fragments_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = opened(tmp_path)
    feed(sink, *history()[:4])
    tables: LanceTables = sink.store.tables
    before = tables.select(TABLE, "")
    assert before is not None
    one_more = before.slice(0, 1)
    order: list[str] = []

    class Held(nullcontext[None]):
        """What upkeep holds while it joins: an append is made meanwhile."""

        def __enter__(self) -> None:
            tables.append(TABLE, one_more)
            order.append("appended")

        def __exit__(self, *_: object) -> None:
            order.append("joined")

    upkeep.tend(Location.of(tmp_path / f"{TABLE}.lance"), Held(), HASTY)
    assert order[:2] == ["appended", "joined"]
    after = tables.select(TABLE, "")
    assert after is not None
    assert after.num_rows == before.num_rows + order.count("appended")
    sink.close()
