"""Which superseded files of a Delta table go, and when its files are looked at."""

from sinks.delta.data_files import DataFile
from sinks.delta.superseded import SupersededFiles

KEPT_MS = 1_000


def file(name: str, size_bytes: int = 10) -> DataFile:
    return DataFile(name, size_bytes, 1, "acme", "2026-01-01", 0, 0)


def test_files_go_when_their_readers_have_or_when_they_take_too_much_room() -> None:
    superseded = SupersededFiles(KEPT_MS)
    superseded.commit([file("a"), file("b%20c")], 0)
    superseded.commit([file("d")], 500)
    assert superseded.taken(1_000, KEPT_MS - 1) == []
    assert superseded.taken(1_000, KEPT_MS) == ["a", "b c"]
    assert superseded.taken(1_000, KEPT_MS) == []
    assert superseded.taken(19, KEPT_MS) == ["d"]


def test_what_was_superseded_before_the_table_was_read_goes_after_a_look() -> None:
    superseded = SupersededFiles(KEPT_MS)
    assert superseded.look_due(files=3)
    superseded.looked(["old"], 10, 0)
    superseded.looked(["old", "young"], 10, KEPT_MS)
    assert not superseded.look_due(files=3)
    assert superseded.taken(1_000, KEPT_MS) == ["old"]
    assert superseded.taken(1_000, 2 * KEPT_MS) == ["young"]


def test_looks_and_checkpoints_come_seldom_where_there_are_many_files() -> None:
    superseded = SupersededFiles(KEPT_MS)
    superseded.looked([], 0, 0)
    commits, looks, checkpoints = 3_000, 0, 0
    for _ in range(commits):
        superseded.commit([], 0)
        if superseded.look_due(files=1_000):
            looks += 1
            superseded.looked([], 0, 0)
        checkpoints += superseded.checkpoint_due(files=1_000)
    assert (looks, checkpoints) == (3, commits // 125)
