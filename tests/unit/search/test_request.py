"""Requests that cannot be answered are refused before anything is read; and how hits become groups."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sinks.query.filters import Filters
from stream.errors import BadRequest
from stream.events.annotations import Space
from stream.search.answer import by_asset
from stream.search.request import SearchRequest, Words
from stream.search.spaces import SpaceChoice, matching, newest, read_choice
from tests.support.hits import HIT, answer_of

SPACES = [Space(name=name, digest="0" * 32, dimensions=4, spec=name) for name in ("conse", "other", "otter")]


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda: Words(" \t"), "blank_query"),
        (lambda: Words("red " * 1_001), "long_query"),
        (lambda: SearchRequest(Words("red"), limit=0), "bad_limit"),
        (lambda: SearchRequest(Words("red"), Filters(start_ns=3, end_ns=3)), "empty_time_range"),
    ],
)
def test_what_cannot_be_answered_is_refused(ask: Callable[[], object], code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        ask()
    assert refused.value.code == code


def test_half_a_time_range_is_one() -> None:
    assert SearchRequest(Words("red"), Filters(start_ns=3)).filters.start_ns == 3
    assert SearchRequest(Words("red"), Filters(end_ns=0)).filters.end_ns == 0


def test_groups_come_in_the_order_of_their_best_hits() -> None:
    owners = (("b", "t"), ("a", "t"), ("b", "u"), ("b", "t"))
    hits = [replace(HIT, asset_id=name, tenant=tenant) for name, tenant in owners]
    groups = by_asset(hits)
    assert [(group.asset_id, group.tenant, len(group.hits)) for group in groups] == [
        ("b", "t", 2),
        ("a", "t", 1),
        ("b", "u", 1),
    ]
    assert by_asset([]) == ()


def test_an_answer_is_weak_when_each_of_its_hits_is() -> None:
    assert answer_of(HIT, HIT).all_weak
    assert not answer_of(HIT, replace(HIT, strength="fair")).all_weak
    assert not answer_of().all_weak


def test_a_space_is_named_by_its_key_or_a_beginning_of_one_alone() -> None:
    conse, other, otter = SPACES
    assert matching(SPACES, "c") == conse
    assert matching(SPACES, other.key) == other
    longer = otter.model_copy(update={"digest": otter.digest[:11] + "1"})
    assert matching([otter, other], "ott") == otter
    with pytest.raises(BadRequest, match="names 2 spaces"):
        matching([otter, longer], "ott")
    with pytest.raises(BadRequest, match="'ot' names 2 spaces; there are: conse_0"):
        matching(SPACES, "ot")
    with pytest.raises(BadRequest, match="'x' names 0 spaces; there are: none"):
        matching([], "x")


def test_the_space_of_the_latest_roll_out_is_used_then_the_default_one() -> None:
    conse, other, otter = SPACES
    assert newest(SPACES, {}) == conse
    assert newest(SPACES, {otter.key: 2, other.key: 1}) == otter


def test_a_choice_is_kept_or_missing_or_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "choice.json"
    assert read_choice(path) == SpaceChoice()
    path.write_text('{"space": "conse_0"}')
    assert read_choice(path) == SpaceChoice("conse_0")
    path.write_text("[]")
    assert read_choice(path) == SpaceChoice(unreadable=True)
