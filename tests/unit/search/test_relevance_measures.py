"""Measures of relevance against values worked out by hand."""

import pytest

from benchmarks.ranked import ndcg, recall, reciprocal_rank

# Wikipedia's example of discounted cumulative gain: grades 3, 2, 3, 0, 1, 2 in the order of the ranking.
RANKING = ["d1", "d2", "d3", "d4", "d5", "d6"]
GRADES = {"d1": 3, "d2": 2, "d3": 3, "d5": 1, "d6": 2}


def test_ndcg_is_the_gain_over_that_of_the_best_order() -> None:
    assert ndcg(RANKING, GRADES, 6) == pytest.approx(13.8483 / 14.5954, abs=1e-4)
    assert ndcg(["d1", "d3", "d2", "d6", "d5"], GRADES, 6) == pytest.approx(1.0)
    assert ndcg(["d4"], GRADES, 6) == 0.0


def test_recall_and_reciprocal_rank_count_what_is_graded_high_enough() -> None:
    assert recall(RANKING, GRADES, 3) == pytest.approx(3 / 5)
    assert recall(RANKING, GRADES, 3, least=3) == 1.0
    assert reciprocal_rank(["d4", "d5", "d1"], GRADES) == pytest.approx(1 / 2)
    assert reciprocal_rank(["d4", "d5", "d1"], GRADES, least=2) == pytest.approx(1 / 3)
    assert reciprocal_rank(["d4"], GRADES) == 0.0
