"""An asset's content changes and comes back while its sinks are killed: what is stored and seen is what a calm run
leaves.

Nothing is left to chance. A story is what the topic holds of one asset. Each of its scenarios is an asset of its own:
the sink ends after so many records, begins anew, and hears again what was not acknowledged, one by one or all at once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.testbed.table_readers import READERS, counted
from sinks.delta.sink import DeltaSink
from sinks.lance.sink import LanceSink
from sinks.maintenance.verify import verify
from sinks.query.catalogue import Catalogue
from sinks.query.filters import Filters
from sinks.query.moments import MomentIndex
from sinks.tables.names import SEGMENTS, moments_table
from stream.clock import ManualClock
from stream.events.annotations import Space
from stream.events.asset import AssetRef, ContentRetired
from stream.events.base import Event, Payload
from stream.events.ids import asset_key
from tests.support.annotations import OTHER_SPACE, SPACE, annotations, event, key_of, planned, ref, segment_failed

Said = Callable[[AssetRef], Payload]


def plan(number: int, content: str = "a", of: int = 2, assumed: Sequence[int] = ()) -> Said:
    return lambda asset: planned(ref(asset.asset_id, number), content=content, of=of, assumed=assumed)


def cell(number: int, segment: int, content: str = "a", of: int = 2, space: Space = SPACE) -> Said:
    return lambda asset: annotations(ref(asset.asset_id, number), segment, content=content, of=of, space=space, count=1)


def lost(number: int, segment: int) -> Said:
    return lambda asset: segment_failed(ref(asset.asset_id, number), segment)


# A cell of the first round is late: it comes when other content is live.
LATE = (plan(1), cell(1, 0), plan(2, "b", 1), cell(2, 0, "b", 1), cell(1, 1))
WHOLE = (plan(1), cell(1, 0), cell(1, 1), plan(2, "b", 1))
STORIES: Mapping[str, Sequence[Said]] = {
    "every cell again": (*LATE, plan(3), cell(3, 0), cell(3, 1)),
    "fewer cells": (*LATE, plan(3, of=1), cell(3, 0, of=1)),
    "in another space": (*LATE, plan(3), cell(3, 0, space=OTHER_SPACE), cell(3, 1, space=OTHER_SPACE)),
    "a cell fails": (*LATE, plan(3), cell(3, 0), lost(3, 1)),
    "what was relied on went": (
        *(*WHOLE, cell(2, 0, "b", 1)),
        *(plan(3, assumed=(0, 1)), plan(4), cell(4, 0), cell(4, 1)),
    ),
    "what was relied on stays": (*WHOLE, plan(3, assumed=(0, 1)), cell(2, 0, "b", 1)),
}
COLUMNS = ("asset_id", "content_key", "segment", "version_offset")
LONGEST = max(map(len, STORIES.values()))
STEPS = ("record", "save", "sweep")
"""Of a commit of the index: before each of them it may end, with what comes before stored."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The sink ends after `cut` records of `story`, of which it acknowledged `kept`; where `before` names a step of the
    index's commit, in the midst of the last of them. The rest comes `together` or one by one.
    """

    story: str
    cut: int
    kept: int
    together: bool
    before: str = ""

    @property
    def name(self) -> str:
        return f"{self.story}, {self.cut}, {self.kept}, {self.together}, {self.before}"


@cache
def records_of(scenario: Scenario) -> list[Event]:
    return [event(said(ref(scenario.name))) for said in STORIES[scenario.story]]


def scenarios() -> Iterator[Scenario]:
    for story, said in STORIES.items():
        for cut, together in product(range(len(said) + 1), (False, True)):
            yield from (Scenario(story, cut, kept, together) for kept in {0 if together else max(0, cut - 3), cut})
        for cut, before in product(range(1, len(said) + 1), STEPS):
            yield Scenario(story, cut, cut - 1, together=True, before=before)


EVERY = list(scenarios())
CALM = [Scenario(story, len(said), len(said), together=False) for story, said in STORIES.items()]


def at(step: int, chosen: Iterable[Scenario]) -> list[Event]:
    return [record for it in chosen for record in records_of(it)[step : step + 1]]


Retirements = dict[str, list[Event]]
"""By asset."""
Held = dict[str, set[tuple[object, ...]]]
"""By asset: cells that have rows, what the ledger says, and what is seen."""


class Index:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.retired: Retirements = defaultdict(list)
        self.begin()

    def begin(self) -> None:
        self.sink = LanceSink(self.place, ManualClock())
        self.sink.open()

    def again(self) -> None:
        self.sink.close()
        self.begin()

    def hear(self, records: Sequence[Event], *, told: bool = True) -> None:
        """`told`: whether others hear what the index says of it."""
        for said in self.sink.process(records):
            if told and isinstance(said.data, ContentRetired):
                self.retired[said.data.asset_id].append(said)

    def killed(self, records: Sequence[Event], before: str) -> None:
        def end(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.sink.store, before, end)
            with pytest.raises(KeyboardInterrupt):
                self.hear(records)
        self.again()

    def held(self) -> Held:
        store, found = self.sink.store, MomentIndex(self.place)
        spaces = [space.key for space in store.spaces()]
        held = held_in({key: store.tables.select(moments_table(key), "", COLUMNS) for key in spaces})
        add_ledger(held, store.tables.select(SEGMENTS, ""))
        for key in spaces:
            for moment in found.moments(key, Filters()):
                held[moment.asset_id].add(("seen", key, moment.start_ns))
        for view in Catalogue(self.place).assets():
            held[view.asset_id].add(("asset", view.status))
        return held


class Parquet:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.begin()

    def begin(self) -> None:
        self.sink = DeltaSink(self.place, ManualClock())
        self.sink.open()

    def again(self) -> None:
        self.sink.close()
        self.begin()

    def hear(self, records: Sequence[Event], *, told: bool = True) -> None:
        retired = [said for said in self.sink.process(records) if isinstance(said.data, ContentRetired)]
        assert not retired, told

    def killed(self, records: Sequence[Event], before: str) -> None:
        """Its commit is one, so it has no such steps."""

    def held(self) -> Held:
        store = self.sink.store
        keys = [asset_key("acme", it.name) for it in (*EVERY, *CALM)]
        held = held_in({space.key: store.rows(keys, space.key) for space in store.spaces()})
        add_ledger(held, store.cells())
        return held


def held_in(rows: Mapping[str, pa.Table | None]) -> Held:
    held: Held = defaultdict(set)
    for space, table in rows.items():
        for row in [] if table is None else table.to_pylist():
            held[row["asset_id"]].add(("rows", space, *cell_in(row)))
    return held


def add_ledger(held: Held, table: pa.Table | None) -> None:
    for row in [] if table is None else table.to_pylist():
        held[row["asset_id"]].add(("ledger", row["space"], *cell_in(row), row["outcome"]))


def cell_in(row: Mapping[str, Any]) -> tuple[object, ...]:
    content = "b" if row["content_key"] == key_of("b", row["asset_id"]) else "a"
    return content, row["segment"], row["version_offset"]


def calm(sink: Index | Parquet) -> None:
    for step in range(LONGEST):
        sink.hear(at(step, CALM))


def disturbed(sink: Index | Parquet) -> None:
    for step in range(LONGEST):
        whole = [it for it in EVERY if step < it.cut - bool(it.before)]
        sink.hear(at(step, (it for it in whole if step < it.kept)))
        # What came of records that are not acknowledged may have been lost with the process.
        sink.hear(at(step, (it for it in whole if step >= it.kept)), told=False)
        for before in STEPS:
            sink.killed(at(step, (it for it in EVERY if it.before == before and it.cut == step + 1)), before)
    sink.again()
    for step in range(LONGEST):
        sink.hear(at(step, (it for it in EVERY if not it.together and it.kept <= step)))
    sink.hear([record for it in EVERY if it.together for record in records_of(it)[it.kept :]])


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = Index(tmp_path_factory.mktemp("index"))
    calm(made)
    disturbed(made)
    yield made
    made.sink.close()


def require_alike(held: Held) -> None:
    as_calm = {it.story: held[it.name] for it in CALM}
    others = {it.name: held[it.name] ^ as_calm[it.story] for it in EVERY if held[it.name] != as_calm[it.story]}
    assert not others


def test_the_index_holds_and_shows_what_a_calm_run_leaves(index: Index) -> None:
    held = index.held()
    require_alike(held)
    assert {it.story for it in CALM if ("asset", "ready") not in held[it.name]} == {"a cell fails"}


def test_the_delta_table_holds_the_same_whenever_it_hears_what_is_retired(index: Index, tmp_path: Path) -> None:
    parquet = Parquet(tmp_path)
    early = {it.name for it in EVERY[::2]}
    parquet.hear([said for name, each in index.retired.items() if name in early for said in each])
    calm(parquet)
    disturbed(parquet)
    parquet.hear([said for name, each in index.retired.items() if name not in early for said in each])
    require_alike(parquet.held())
    parquet.sink.close()
    report = verify(index.place, tmp_path)
    assert report.agrees, report
    for space in report.spaces:
        counts = {name: counted(name, tmp_path / "moments", space.space) for name in READERS}
        assert counts == dict.fromkeys(READERS, space.moments)
