"""Who is next to get a shard."""

from pathlib import Path

from sinks.location import Location
from sinks.sharded.requests import EXPIRY_S, FOLDER, Requests
from stream.clock import ManualClock


def test_the_oldest_request_comes_first_and_counts_until_it_is_withdrawn(tmp_path: Path) -> None:
    clock = ManualClock()
    one, other = (Requests(Location.of(tmp_path), clock) for _ in range(2))
    assert one.first(3)
    assert one.others() == {}
    one.ask(3)
    clock.advance(1)
    other.ask(3)
    assert set(one.others()) == set(other.others()) == {3}
    assert (one.first(3), other.first(3)) == (True, False)
    assert one.first(4)
    assert other.first(4)
    one.withdraw(3)
    one.withdraw(3)
    assert other.first(3)
    assert not one.first(3)
    assert other.others() == {}


def test_who_has_not_asked_comes_after_who_has(tmp_path: Path) -> None:
    clock = ManualClock()
    one, other = (Requests(Location.of(tmp_path), clock) for _ in range(2))
    other.ask(0)
    assert not one.first(0)


def test_a_request_that_is_not_renewed_becomes_void_and_its_file_goes(tmp_path: Path) -> None:
    clock = ManualClock()
    one, hung = (Requests(Location.of(tmp_path), clock) for _ in range(2))
    hung.ask(0)
    clock.advance(EXPIRY_S - 1)
    assert not one.first(0)
    hung.ask(0)
    clock.advance(EXPIRY_S - 1)
    assert not one.first(0)
    clock.advance(2)
    assert one.first(0)
    assert list((tmp_path / FOLDER).iterdir()) == []
    hung.ask(0)
    assert set(one.others()) == {0}


def test_files_that_are_no_requests_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "notes.txt").write_text("mine")
    assert Requests(Location.of(tmp_path), ManualClock()).others() == {}
    assert (tmp_path / FOLDER / "notes.txt").read_text() == "mine"
