"""Usage of embedded runs: kept over runs and torn lines, joined where a cell is done again, without names."""

from pathlib import Path

from stream.control.journal import UsageJournal
from stream.control.view import ControlView, Usage
from stream.events.asset import AssetStatus
from stream.events.grid import SEGMENT_NS
from tests.support.control import asset_ref, change, report


def used(path: Path) -> list[Usage]:
    return list(ControlView(UsageJournal(path).read()).usage("day").values())


def test_runs_add_up_and_a_cell_done_again_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "usage.log"
    assert used(path) == []
    first, again = asset_ref("named"), asset_ref("named", hour=1)
    run = UsageJournal(path)
    run.add([report(first, "decode", 0, 2, cpu_us=5, read_bytes=9), change(first, AssetStatus.READY)])
    run.add([report(first, "decode", 0, 2, cpu_us=5, read_bytes=9)])
    UsageJournal(path).add([report(first, "decode", 0, 2, cpu_us=7, read_bytes=8)])
    UsageJournal(path).add([report(again, "decode", 0, 2, cpu_us=100, read_bytes=0)])
    assert used(path) == [Usage(2 * SEGMENT_NS, 107, 0, 9)]
    assert b"named" not in path.read_bytes()


def test_a_line_cut_off_anywhere_costs_at_most_itself(tmp_path: Path) -> None:
    path = tmp_path / "usage.log"
    UsageJournal(path).add([report(asset_ref("a"), "decode", at, 2, cpu_us=1000, read_bytes=0) for at in range(2)])
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        UsageJournal(path).add([report(asset_ref("b"), "index", 0, 1, cpu_us=50, read_bytes=0)])
        total = sum(item.cpu_us for item in used(path))
        assert 50 <= total <= 2050


def test_what_a_full_disk_refused_is_written_later(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "usage.log"
    journal = UsageJournal(path)
    journal.add([report(asset_ref("a"), "decode", 0, 1, cpu_us=3, read_bytes=0)])
    assert used(path) == []
    path.parent.mkdir()
    journal.add([])
    assert used(path) == [Usage(SEGMENT_NS, 3, 0, 0)]


def test_what_was_added_is_synced_when_that_returns(tmp_path: Path) -> None:
    path = tmp_path / "usage.log"
    synced: list[tuple[Path, bytes]] = []
    run = UsageJournal(path, lambda each: synced.append((each, path.read_bytes())))
    run.add([report(asset_ref("a"), "decode", 0, 2, cpu_us=5, read_bytes=9)])
    assert synced == [(path, path.read_bytes()), (tmp_path, path.read_bytes())]
    run.add([report(asset_ref("a"), "decode", 1, 2, cpu_us=5, read_bytes=9)])
    assert synced[2:] == [(path, path.read_bytes())]
