"""How two rankings become one, why something was found, and whether that is enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.protocol import Calibration
from stream.search.explanation import Reason, Strength
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
    ("reason", "strength"),
    [
        (Reason(0.21, 1), "weak"),
        (Reason(0.22, 1), "fair"),
        (Reason(0.30, 1), "strong"),
        (Reason(0.22, 1, 1, ("dog",), 0.5), "strong"),
        (Reason(0.01, 9, 1, ("dog",), 0.5), "fair"),
        (Reason(0.01, 9, 1, ("dog",), 0.4), "weak"),
        (Reason(text_place=1, words=("dog",), coverage=1.0), "fair"),
        (Reason(), "weak"),
    ],
)
def test_strength_comes_from_the_calibrated_scores_and_from_most_of_the_words(
    reason: Reason, strength: Strength
) -> None:
    assert reason.strength(Calibration(weak_below=0.22, strong_from=0.30)) == strength
    assert reason.strength(None) == "unrated"
