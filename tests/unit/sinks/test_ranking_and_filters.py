"""Ranking, filters and the compaction cadence."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.compaction_policy import Cadence, CadencePolicy
from sinks.filters import literal, one_of
from sinks.query.ranking import matched_words, places, reciprocal_ranks, why
from stream.clock import ManualClock


def test_two_rankings_are_fused_by_reciprocal_rank() -> None:
    fused = reciprocal_ranks([{"a": 1, "b": 2, "c": 3}, {"c": 1, "a": 2}])
    assert list(fused) == ["a", "c", "b"]
    assert fused["a"] == 1 / 61 + 1 / 62
    assert reciprocal_ranks([{}, {}]) == {}


def test_equal_scores_share_a_place() -> None:
    assert places([("a", 0.25), ("b", 0.5), ("c", 0.25 + 1e-9), ("d", 0.125)]) == {"b": 1, "a": 2, "c": 2, "d": 4}
    assert places([]) == {}


@given(st.permutations([("a", 1.0), ("b", 1.0), ("c", 0.5), ("d", 2.0)]))
def test_places_follow_from_scores_alone(scores: list[tuple[str, float]]) -> None:
    assert places(scores) == {"d": 1, "a": 2, "b": 2, "c": 4}


def test_matched_words_know_simple_forms() -> None:
    assert matched_words("Running dogs, DOGS!", "a dog runs") == ("dogs",)
    assert matched_words("bikes riding", "a man rides a bike") == ("bikes", "riding")
    assert matched_words("cat", "concatenate") == ()


def test_why_names_each_arm() -> None:
    assert why(0.5, {"vector": 2, "text": 1}, ["dog"]) == "similarity 0.500, place 2; text has dog, place 1"
    assert why(0.25, {}, []) == "similarity 0.250"


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
