"""Filters and the compaction cadence."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.compaction_policy import Cadence, CadencePolicy
from sinks.filters import literal, one_of
from stream.clock import ManualClock


@given(st.text())
def test_a_literal_cannot_be_left(value: str) -> None:
    inner = literal(value)[1:-1]
    assert "'" not in inner.replace("''", "")
    assert inner.replace("''", "'") == value


def test_no_value_is_no_row() -> None:
    assert one_of("tenant", []) == "false"
    assert one_of("tenant", ["b", "a", "b"]) == "tenant IN ('a', 'b')"


def test_compaction_is_due_by_commits_and_growth_or_by_time() -> None:
    clock = ManualClock()
    cadence = Cadence(CadencePolicy(commits=3, growth=0.5, most_commits=9, interval_s=60), clock)
    for _ in range(3):
        assert not cadence.due()
        cadence.wrote(10)
    assert cadence.due()
    cadence.done()
    for _ in range(8):
        cadence.wrote(1)
        assert not cadence.due()
    cadence.wrote(1)
    assert cadence.due()
    cadence.done()
    clock.advance(61)
    assert not cadence.due()
    cadence.wrote(0)
    assert cadence.due()
