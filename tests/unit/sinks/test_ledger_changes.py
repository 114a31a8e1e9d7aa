"""What a commit tells of the ledger: read as it was told, laid over older rows, and given to tables beside commits."""

import json
import random
from pathlib import Path

import pytest

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import RECEIPT_SCHEMA, LedgerEntry, receipt_rows
from sinks.assets.tombstones import Retirement
from sinks.delta.commit_log import APPLICATION, LOG, CommitLog, Number
from sinks.delta.followed import Followed
from sinks.delta.followed_ledger import FollowedLedger
from sinks.delta.ledger_changes import NO_CHANGES, LedgerChanges, merged
from sinks.ledger.watermark_table import marks_in
from sinks.location import Location
from sinks.tables.lance_tables import LanceTables
from stream.events.asset import Outcome
from stream.events.ids import AssetVersion

MARK = Retirement(up_to=AssetVersion(3, 4), keep="c")


def entry(number: int, revision: int = 0, space: str = "s") -> LedgerEntry:
    return LedgerEntry(
        segment_id=f"segment-{number}",
        space=space,
        asset_key=f"asset-{number // 4}",
        tenant="ten\u00e4nt \"'",
        asset_id=f"clip-{number // 4}",
        content_key="c",
        segment=number % 4,
        version=AssetVersion(1, number),
        epoch_ms=1,
        revision=revision,
        outcome=Outcome.DONE,
        damaged=None if number % 2 else True,
    )


@pytest.mark.parametrize(
    "changes",
    [
        NO_CHANGES,
        LedgerChanges.of(marks={"asset-1": MARK, "asset-2": Retirement(deleted=AssetVersion(1, 2))}),
        LedgerChanges.of(gone=[entry(1).cell]),
        LedgerChanges.of([entry(1)]),
        LedgerChanges.of(
            [entry(1), entry(2, 7), entry(2, space="t")], [entry(2).cell, entry(9).cell], {"asset-1": MARK}
        ),
    ],
)
def test_what_was_told_is_read_again(changes: LedgerChanges) -> None:
    assert LedgerChanges.read(json.loads(json.dumps(changes.told()))) == changes


def test_changes_over_rows_are_what_they_would_be_in_the_table() -> None:
    drawn = random.Random(18)
    for _ in range(50):
        held = {item.cell: item for item in map(entry, drawn.sample(range(12), 6))}
        come = [entry(number, 1, drawn.choice("st")) for number in drawn.sample(range(12), 4)]
        changes = LedgerChanges.of(come, drawn.sample(sorted(held), 2))
        found = changes.over(receipt_rows(held.values()), changes.come)
        after: dict[SpaceCell, LedgerEntry | None] = {**held, **changes.entries}
        expected = [item for item in after.values() if item is not None]
        assert {item.cell: item for item in map(LedgerEntry.from_row, found.to_pylist())} == {
            it.cell: it for it in expected
        }
        assert found.num_rows == len(expected)
        assert found.schema == RECEIPT_SCHEMA


def ledger_at(place: Path) -> FollowedLedger:
    location = Location.of(place)
    return FollowedLedger(Followed(location), CommitLog(location), LanceTables(place), LanceTables(place))


def told(ledger: FollowedLedger) -> tuple[list[tuple[str, int]], dict[str, Retirement]]:
    keys = [f"asset-{number}" for number in range(4)]
    entries = sorted((item.segment_id, item.revision) for item in ledger.entries(keys))
    rows = ledger.cells(["segment_id", "revision"]).to_pylist()
    assert sorted((row["segment_id"], row["revision"]) for row in rows) == entries
    segments = {segment for segment, _ in entries} | {"segment-99"}
    assert ledger.of_segments(segments, ["revision"]).num_rows == len(entries)
    return entries, ledger.marks()


def test_the_tables_follow_what_is_told_and_what_comes_meanwhile_is_told_still(tmp_path: Path) -> None:
    """A reader and a writer that starts anew say the same before, amid and after that."""
    log = CommitLog(Location.of(tmp_path))
    (tmp_path / LOG).mkdir()
    writer = ledger_at(tmp_path)
    assert writer.begin(0)
    all_of = [
        LedgerChanges.of([entry(1), entry(2)], (), {"asset-0": MARK}),
        LedgerChanges.of([entry(1, 5)], [entry(2).cell]),
        LedgerChanges.of([entry(2, 6), entry(5)], (), {"asset-1": MARK}),
    ]

    def commit(number: int) -> None:
        changes, known = all_of[number - 1], writer.pending
        assert log.add(number, [], [Number(APPLICATION, number)], changes.told())
        writer.committed(changes, number, {*(changes.entries.keys() - known.entries.keys()), *changes.marks})

    commit(1)
    commit(2)
    before = [("segment-1", 5)], {"asset-0": MARK}
    assert told(writer) == told(ledger_at(tmp_path)) == before
    writer.settle(lambda: commit(3))
    after = [("segment-1", 5), ("segment-2", 6), ("segment-5", 0)], {"asset-0": MARK, "asset-1": MARK}
    assert told(writer) == told(ledger_at(tmp_path)) == after
    assert writer.pending == all_of[2]
    assert Followed(Location.of(tmp_path)).number() == 2
    another = ledger_at(tmp_path)
    assert another.begin(3)
    assert another.pending == all_of[2]
    writer.settle(lambda: None)
    assert (told(writer), writer.pending) == (after, NO_CHANGES)
    assert not ledger_at(tmp_path).begin(4), "a commit that told nothing"


def test_tables_that_had_followed_before_a_kill_are_told_the_same_once_more(tmp_path: Path) -> None:
    (tmp_path / LOG).mkdir()
    log, killed = CommitLog(Location.of(tmp_path)), ledger_at(tmp_path)
    killed.begin(0)
    for number, changes in enumerate([LedgerChanges.of([entry(1)]), LedgerChanges.of([entry(2)], [entry(1).cell])], 1):
        log.add(number, [], [Number(APPLICATION, number)], changes.told())
        killed.committed(changes, number)

    def dies() -> None:
        raise OSError("killed before the number is written")

    with pytest.raises(OSError, match="killed"):
        killed.settle(dies)
    again = ledger_at(tmp_path)
    assert again.begin(2)
    again.settle(lambda: None)
    assert told(again) == ([("segment-2", 0)], {})
    assert LanceTables(tmp_path).count("segments") == 1


def test_of_many_changes_the_last_counts() -> None:
    assert merged([LedgerChanges.of([entry(1)]), LedgerChanges.of(gone=[entry(1).cell])]).come == []


def test_watermarks_rise_over_those_that_were_told_and_stored_before(tmp_path: Path) -> None:
    """A commit tells one without looking whether there is another."""
    deleted = Retirement(deleted=AssetVersion(2, 1))
    once, later = LedgerChanges.of(marks={"asset-0": deleted}), LedgerChanges.of(marks={"asset-0": MARK})
    both = {"asset-0": deleted.joined(MARK)}
    assert once.then(later).marks == merged([later, once]).marks == both
    (tmp_path / LOG).mkdir()
    log, writer = CommitLog(Location.of(tmp_path)), ledger_at(tmp_path)
    writer.begin(0)
    for number, changes in enumerate([once, later], 1):
        log.add(number, [], [Number(APPLICATION, number)], changes.told())
        writer.committed(changes, number)
        if changes is once:
            writer.settle(lambda: None)
    for ledger in (writer, ledger_at(tmp_path)):
        assert ledger.marks() == ledger.marks(["asset-0"]) == both
        assert [marks_in(rows) for rows in ledger.mark_batches()] == [{}, both]
    writer.settle(lambda: None)
    assert ledger_at(tmp_path).marks() == both
