"""What the Delta writer remembers: never less than the ledger and the watermarks hold, and no more than is bounded."""

import random
from collections.abc import Sequence

import pyarrow as pa

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.tombstones import Retirement
from sinks.delta import recent_assets
from sinks.delta.held import Held, Void
from sinks.delta.recent_assets import Ids, RecentAssets, of_assets
from sinks.ledger.watermark_table import mark_rows
from stream.events.asset import Outcome
from stream.events.ids import AssetVersion

Ledger = dict[SpaceCell, LedgerEntry]


def entry(asset: int, segment: int, revision: int) -> LedgerEntry:
    return LedgerEntry(
        segment_id=f"{asset}-{segment}",
        space="s",
        asset_key=f"a{asset}",
        tenant="acme",
        asset_id=f"clip-{asset}",
        content_key=f"c{asset}",
        segment=segment,
        version=AssetVersion(1, asset),
        epoch_ms=1,
        revision=revision,
        outcome=Outcome.DONE,
    )


def held_of(ledger: Ledger, key: str) -> dict[SpaceCell, Held]:
    return {cell: Held.by(item) for cell, item in ledger.items() if item.asset_key == key}


def rows_of(keys: Sequence[str]) -> Ids:
    """A table with a row for each of these assets."""
    return lambda: (len(keys), [pa.array(keys, pa.string())])


def look_up(recent: RecentAssets, ledger: Ledger, key: str) -> None:
    """As the store does."""
    unknown = recent.unknown([key])
    for each, cells in of_assets({cell: Held.by(item) for cell, item in ledger.items()}, unknown):
        recent.learn(each, cells)


def test_what_it_says_of_an_asset_is_what_the_ledger_holds() -> None:
    """Through commits of any kind, and filled at any time."""
    drawn = random.Random(18)
    recent, ledger = RecentAssets(), Ledger()
    for turn in range(600):
        asset = drawn.randrange(40)
        look_up(recent, ledger, f"a{asset}")
        assert recent.cells(f"a{asset}") == held_of(ledger, f"a{asset}"), turn
        come = [entry(asset, segment, turn) for segment in drawn.sample(range(4), drawn.randrange(3))]
        gone = {cell: item for cell, item in held_of(ledger, f"a{asset}").items() if drawn.random() < 0.5}
        recent.recording(come, Void(gone))
        for cell in gone:
            del ledger[cell]
        ledger.update({item.cell: item for item in come})
        if turn == 100:
            recent.fill(rows_of([item.asset_key for item in ledger.values()]), rows_of([]), [])


def test_an_asset_without_a_cell_needs_no_look_up_once_the_ledger_was_read() -> None:
    recent = RecentAssets()
    assert recent.unknown(["new"]) == {"new"}
    recent.recording([entry(1, 0, 0)], Void())
    recent.fill(rows_of(["a2"]), rows_of(["a3"]), [mark_rows({"a3": Retirement(up_to=AssetVersion(5, 0), keep="c")})])
    assert recent.unknown(["new", "a1", "a2", "a3"]) == {"a1", "a2"}
    assert recent.unmarked(dict.fromkeys(["new", "a1", "a2", "a3"], 5)) == {"a3"}


def test_a_watermark_is_remembered_and_one_that_was_looked_for_in_vain_is_not_looked_for_again() -> None:
    recent, mark = RecentAssets(), Retirement(deleted=AssetVersion(3, 4))
    asked = {"a": 9, "b": 9}
    recent.learn_marks(recent.unmarked(asked), {"a": mark})
    assert (recent.unmarked(asked), recent.marks(["a", "b"])) == (set(), {"a": mark})
    recent.retiring({"b": mark})
    assert recent.marks(["a", "b"]) == {"a": mark, "b": mark}


def test_a_watermark_that_is_older_than_what_is_told_is_not_looked_up_and_one_over_it_does_not_stand_for_it() -> None:
    recent = RecentAssets()
    assert recent.unmarked({"a": 9}) == {"a"}  # not filled yet
    stored = {"a": Retirement(deleted=AssetVersion(3, 1)), "b": Retirement(up_to=AssetVersion(5, 1), keep="c")}
    recent.fill(rows_of([]), rows_of(["a", "b"]), [mark_rows(stored)])
    assert recent.unmarked({"a": 4, "b": 6, "new": 1}) == set()
    assert recent.unmarked({"a": 3, "b": 5}) == {"a", "b"}
    recent.retiring({"a": Retirement(up_to=AssetVersion(9, 1), keep="d")})
    assert (recent.unmarked({"a": 9}), recent.marks(["a"])) == ({"a"}, {})
    assert (recent.never_marked(["a", "new"]), recent.unmarked({"a": 10})) == ({"new"}, set())


def test_it_forgets_the_oldest_assets_and_looks_them_up_again() -> None:
    recent, ledger = RecentAssets(), Ledger()
    recent.fill(rows_of([]), rows_of([]), [])
    few = 4 * recent_assets.MOST_CELLS // recent_assets.MOST_ASSETS
    for asset in range(recent_assets.MOST_ASSETS // 2):
        look_up(recent, ledger, f"a{asset}")
        recent.recording([entry(asset, segment, 0) for segment in range(few)], Void())
    assert recent.unknown(["a0", f"a{recent_assets.MOST_ASSETS // 2 - 1}"]) == {"a0"}
