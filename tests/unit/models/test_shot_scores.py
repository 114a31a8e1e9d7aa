"""How benchmarks judge cuts: each is right once, and what is found inside a gradual transition is no error."""

import json
from pathlib import Path

import pytest

from benchmarks.peers.cuts import CutsJob, answer_in
from benchmarks.shot_scenes import Transition
from benchmarks.shot_scores import CutScore

TRUTH = [Transition("cut", 2.8, 2.8), Transition("jump", 5.6, 5.6), Transition("dissolve", 8.4, 9.4)]


def judged(*cuts_s: float) -> CutScore:
    score = CutScore()
    score.add(cuts_s, TRUTH)
    return score


def test_a_cut_within_a_tenth_of_a_second_is_right_and_a_second_one_beside_it_is_wrong() -> None:
    assert judged(2.72, 5.68).f1 == 1
    assert judged(2.8, 2.84, 5.6) == CutScore(hits=2, wrong=1, gradual=1)
    assert judged(2.95, 5.6) == CutScore(hits=1, wrong=1, missed=1, gradual=1)
    assert judged(2.95, 5.6).f1 == pytest.approx(1 / 2)
    assert judged().f1 == 0


def test_what_is_found_in_a_gradual_transition_counts_once_and_is_no_wrong_cut() -> None:
    assert judged(2.8, 5.6, 8.4, 9.0, 9.45) == CutScore(hits=2, gradual=1, gradual_seen=1)
    assert judged(2.8, 5.6, 9.6) == CutScore(hits=2, wrong=1, gradual=1)


def test_films_are_counted_together() -> None:
    score = judged(2.8, 5.6)
    score.add([1.0], TRUTH)
    assert score == CutScore(hits=2, wrong=1, missed=2, gradual=2)
    assert score.f1 == pytest.approx(4 / 7)


def test_a_contender_answers_for_each_file_and_one_that_does_not_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        answer_in(tmp_path)
    CutsJob("adaptive", tmp_path, ("a.mp4", "b.mp4")).answer({"a.mp4": [1.0, 2.04], "b.mp4": ()})
    assert json.loads((tmp_path / "cuts.json").read_text()) == answer_in(tmp_path) == {"a.mp4": [1, 2.04], "b.mp4": []}
