"""How two rankings become one, why something was found, and whether that is enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.search.explanation import Reason
from stream.search.ranking import matched_words, places, reciprocal_ranks


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


def test_a_reason_names_each_ranking() -> None:
    assert str(Reason(0.5, 2, 1, ("dog",))) == "similarity 0.500, place 2; text has dog, place 1"
    assert str(Reason(0.25)) == "similarity 0.250"
    assert str(Reason(text_place=3)) == "text has a form of the words, place 3"


@pytest.mark.parametrize(
    ("reason", "below", "weak"),
    [
        (Reason(0.21, 1), 0.22, True),
        (Reason(0.22, 1), 0.22, False),
        (Reason(0.01, 9, 1, ("dog",)), 0.22, False),
        (Reason(), 0.22, True),
        (Reason(0.01, 1), None, False),
    ],
)
def test_weak_is_below_the_calibrated_score_and_without_a_word(reason: Reason, below: float | None, weak: bool) -> None:
    assert reason.is_weak(below) is weak
