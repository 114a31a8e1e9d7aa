"""Lists of long answers: what is kept, for whom, and for how long."""

import pytest

from stream.search.explanation import Reason
from stream.search.hit_list import ListedHit, hit_list
from stream.search.request import SearchRequest, Words
from stream.service.problems import Problem
from stream.service.result_lists import KeptList, ResultLists, cursor_to, place_of


def hit(*names: str, asset: str = "a") -> ListedHit:
    return ListedHit(("acme", asset), names, (0, 1), Reason())


def kept(count: int, principal: str = "me") -> KeptList:
    return KeptList(principal, SearchRequest(Words("x")), (hit("m"),) * count, None)


def test_the_list_that_was_used_least_recently_goes_first() -> None:
    lists = ResultLists(most_hits=10)
    for key in ("a", "b"):
        lists.put(key, kept(4))
    lists.get("a", "me")
    lists.put("c", kept(4))
    assert lists.get("a", "me").hits == 4
    with pytest.raises(Problem, match="not kept"):
        lists.get("b", "me")
    with pytest.raises(Problem, match="not kept"):
        lists.get("a", "another")
    # One that is longer than all of the room is kept while it is the newest.
    lists.put("d", kept(40))
    assert lists.get("d", "me").hits == 40
    with pytest.raises(Problem, match="not kept"):
        lists.get("c", "me")


def test_nobodys_lists_go_because_of_anothers_many() -> None:
    lists = ResultLists(most_hits=10)
    lists.put("mine", kept(3))
    for number in range(50):
        lists.put(f"theirs{number}", kept(2, "another"))
    assert lists.get("mine", "me").hits == 3
    assert [lists.get(f"theirs{number}", "another").hits for number in (47, 48, 49)] == [2, 2, 2]
    with pytest.raises(Problem, match="not kept"):
        lists.get("theirs46", "another")


def test_what_was_answered_is_not_repeated() -> None:
    request = SearchRequest(Words("x"))
    found = hit_list(request, [hit("1", "2"), hit("3")], [hit("3", "4"), hit("5"), hit("2"), hit("6")], "all")
    assert [unit[0].moment_ids for unit in found.units] == [("1", "2"), ("3",), ("5",), ("6",)]
    assert [item.moment_ids for item in found.page(1, 2)] == [("3",), ("5",)]
    by_asset = hit_list(
        SearchRequest(Words("x"), group="asset"),
        [hit("1", asset="a")],
        [hit("9", asset="a"), hit("2", asset="b"), hit("3", asset="c"), hit("4", asset="b")],
        "all",
    )
    assert [[item.moment_ids[0] for item in unit] for unit in by_asset.units] == [["1"], ["2", "4"], ["3"]]


def test_a_cursor_is_opaque_to_others() -> None:
    cursor = cursor_to(b"secret", "list", 7)
    assert place_of(b"secret", cursor) == ("list", 7)
    with pytest.raises(Problem, match="not one of this service"):
        place_of(b"another", cursor)
