"""A store divided anew keeps every row, and a kill at any step leaves the old or the new store whole."""

import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sinks.delta.store import DeltaStore
from sinks.lance.store import LanceIndex
from sinks.layout import FILE, Layout
from sinks.maintenance.reshard import INDEX, PARQUET, Kind, reshard
from sinks.maintenance.verify import verify
from sinks.query.catalogue import Catalogue
from sinks.sharded.sink import sink_at
from stream.clock import ManualClock
from stream.errors import Unavailable
from tests.integration.test_sinks_sharded import ASSETS, FAMILIES, batch_of, opened
from tests.support.annotations import OTHER_SPACE, annotations, asset_deleted, events, planned, ref, retired
from tests.support.programs import ROOT, program

KINDS: dict[str, Kind[Any]] = {"lance": INDEX, "delta": PARQUET}
GONE = "gone"


@pytest.fixture
def roots(tmp_path: Path) -> dict[str, Path]:
    """Both stores, in one shard each, with all that a store can hold."""
    found = {name: tmp_path / name for name in FAMILIES}
    for name, family in FAMILIES.items():
        with opened(family(found[name], ManualClock())) as sink:
            list(sink.process([*events(*(planned(ref(asset), of=1) for asset in ASSETS)), *batch_of(*ASSETS)]))
            list(sink.process(batch_of(*ASSETS[:5], revision=1)))
            list(sink.process(events(annotations(ref(ASSETS[2]), space=OTHER_SPACE), annotations(ref(GONE)))))
            kept = retired(1, annotations(ref(ASSETS[0])).header.content_key, ref(ASSETS[0]))
            list(sink.process([asset_deleted(ref(GONE, 3)), *events(kept)]))
    return found


def contents(name: str, root: Path) -> Counter[tuple[str, str]]:
    """Every row of every table, whatever shard it lies in."""
    found: Counter[tuple[str, str]] = Counter()
    for place in Layout.of(root).places:
        store: LanceIndex | DeltaStore = LanceIndex(place, ManualClock()) if name == "lance" else DeltaStore(place)
        found.update((table, repr(sorted(row.items()))) for table, rows in store.contents() for row in rows.to_pylist())
    return found


def files_of(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_row_and_entry_is_kept_over_any_number_of_shards(name: str, roots: dict[str, Path]) -> None:
    root, before = roots[name], contents(name, roots[name])
    assert len(before) > 30
    told: list[tuple[int, int]] = []
    for generation, shards in enumerate((4, 2, 1, 3), start=1):
        assert reshard(root, shards, KINDS[name], lambda done, total: told.append((done, total)))
        assert contents(name, root) == before
        assert Layout.of(root) == Layout(Layout.of(root).root, shards, generation)
        assert [place.directory.is_dir() for place in Layout.of(root).places] == [True] * shards
        assert {each for each in files_of(root) if not each.endswith(".lock")} == {FILE, f"generation-{generation}"}
    assert told[-1] == (sum(before.values()), sum(before.values()))
    assert not reshard(root, 3, KINDS[name])


def test_stores_that_are_divided_anew_are_written_and_read_on(roots: dict[str, Path]) -> None:
    index, parquet = roots["lance"], roots["delta"]
    shown = {view.asset_id for view in Catalogue(index).assets()}
    reshard(index, 3, INDEX)
    reshard(parquet, 2, PARQUET)
    assert {view.asset_id for view in Catalogue(index).assets()} == shown > {ASSETS[0]}
    listed, tenant = Catalogue(index).listed, ref(ASSETS[0]).tenant
    first = listed(tenant, None, project=None, after=None, limit=2)
    rest = listed(tenant, None, project=None, after=first[-1].asset_id, limit=99)
    assert [view.asset_id for view in (*first, *rest)] == sorted(shown)
    assert len(first) == 2
    assert verify(index, parquet).agrees
    for name, family in FAMILIES.items():
        shards = Layout.of(roots[name]).shards
        with opened(sink_at(roots[name], family, shards=shards, name=name, alone=True)) as sink:
            list(sink.process(batch_of(*ASSETS, segment=1)))
            # What was retired before stays out, and what was stored is not stored again.
            list(sink.process([*events(annotations(ref(GONE))), *batch_of(*ASSETS)]))
    report = verify(index, parquet)
    assert report.agrees
    assert {item.space: item.moments for item in report.spaces}[annotations().header.space.key] == 4 * len(ASSETS)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_nobody_may_be_writing(name: str, roots: dict[str, Path]) -> None:
    with opened(FAMILIES[name](roots[name])), pytest.raises(Unavailable, match="another writer"):
        reshard(roots[name], 4, KINDS[name])
    assert Layout.of(roots[name]).shards == 1
    reshard(roots[name], 4, KINDS[name])
    kept = FAMILIES[name](Layout.of(roots[name]).places[3])
    with opened(kept), pytest.raises(Unavailable, match="another writer"):
        reshard(roots[name], 2, KINDS[name])


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_store_that_holds_nothing_can_be_divided(name: str, tmp_path: Path) -> None:
    assert reshard(tmp_path / "new", 4, KINDS[name])
    assert contents(name, tmp_path / "new") == Counter()
    assert Layout.of(tmp_path / "new").shards == 4


INSTANTS = ("the copy has begun", "some is copied", "all is copied", "the new store counts", "some of the old is gone")


CHANGES = [*zip(INSTANTS, (1, 3, 1, 3, 1), (3, 2, 3, 2, 3), strict=True), (INSTANTS[-1], 3, 2)]


# Files are copied and put in place alike for both stores.
@pytest.mark.parametrize(
    ("name", "instant", "before", "after"),
    [
        pytest.param(name, *change, marks=pytest.mark.long if (at + kind) % 2 else ())
        for kind, name in enumerate(sorted(KINDS))
        for at, change in enumerate(CHANGES)
    ],
)
def test_a_kill_leaves_one_store_whole_and_a_repeat_finishes(
    name: str, instant: str, before: int, after: int, roots: dict[str, Path]
) -> None:
    root, wanted = roots[name], contents(name, roots[name])
    if before > 1:
        reshard(root, before, KINDS[name])
    command = program("die_in_reshard", name, root, after, instant)
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -9, killed.stderr
    done = instant in INSTANTS[3:]
    assert Layout.of(root).shards == (after if done else before)
    assert contents(name, root) == wanted
    assert reshard(root, after, KINDS[name]) is not done
    assert contents(name, root) == wanted
    generation = Layout.of(root).generation
    assert {each for each in files_of(root) if not each.endswith(".lock")} == {FILE, f"generation-{generation}"}
