"""Which ids a table may hold: never a wrong no, seldom a wrong yes."""

import hashlib

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sinks.tables.stored_ids import StoredIds

IDS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(30_000)]


def filled(ids: list[str], step: int = 1_000) -> StoredIds:
    found = StoredIds()
    found.fill((pa.array(ids[at : at + step], pa.string()) for at in range(0, len(ids), step)), len(ids))
    return found


@given(st.sets(st.text(max_size=40)), st.sets(st.text(max_size=40)), st.sets(st.text(max_size=40)))
def test_what_was_there_and_what_was_added_before_and_after_is_held(
    there: set[str], early: set[str], late: set[str]
) -> None:
    found = StoredIds()
    found.add(early)
    assert found.held_of(there | early) == sorted(there | early)
    found.fill([pa.array(sorted(there), pa.string())], len(there))
    found.add(late)
    assert found.filled
    assert found.held_of(there | early | late) == sorted(there | early | late)


def test_few_others_seem_to_be_held() -> None:
    found = filled(IDS[:20_000])
    others = found.held_of(IDS[20_000:])
    assert len(others) < 300
    assert found.held_of(IDS[:100]) == sorted(IDS[:100])


def test_one_that_was_given_more_than_it_has_room_for_is_worn() -> None:
    new, old = filled(IDS[:10]), StoredIds()
    added = [f"{number:032x}" for number in range(70_000)]
    assert not new.worn
    assert not old.worn
    new.add(added)
    old.add(added)
    assert new.worn
    assert old.worn
