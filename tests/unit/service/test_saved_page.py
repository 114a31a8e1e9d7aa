"""Saved searches on the page: by a form that needs no script, each caller's for nobody else."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.access.actions import AccessRole
from stream.service.page.box import KEYS, BoxText, FilterToken
from stream.service.page.saved_view import SavedLink, saved_state
from stream.service.page.state import SearchState
from stream.service.schemas.saved_searches import SavedSearchIn, SavedSearchOut
from tests.support.service_desk import Desk, opened, two_tenants

TIMES = ("from", "to", "shot-from", "shot-to")
VALUES = {
    **dict.fromkeys(TIMES, st.integers(0, 10**6).map(lambda tenths: str(tenths / 10))),
    **dict.fromkeys(("nsfw-from", "nsfw-below"), st.integers(0, 100).map(lambda share: str(share / 100))),
}
WORD = st.text(st.sampled_from("abc =.:é"), min_size=1, max_size=9).map(str.strip).filter(bool)


@st.composite
def states(draw: st.DrawFn) -> SearchState:
    keys = draw(st.lists(st.sampled_from(list(KEYS)), unique=True, max_size=5))
    # In the order in which they are read back.
    tokens = [FilterToken(key, draw(VALUES.get(key, WORD))) for key in KEYS if key in keys]
    words = draw(st.sampled_from(["red", "a red bus", "tag"]))
    group, sort = draw(st.sampled_from(["shot", "asset"])), draw(st.sampled_from(["relevance", "time"]))
    return SearchState.of({"q": str(BoxText(words, tuple(tokens))), "group": group, "sort": sort})


def link_of(search: dict[str, Any]) -> SavedLink:
    return SavedLink.of(SavedSearchOut(name="it", search=SavedSearchIn.model_validate(search)))


@given(states())
def test_a_saved_search_leads_back_to_its_state(state: SearchState) -> None:
    kept = SavedSearchIn.model_validate(saved_state(state)).model_dump(mode="json", by_alias=True, exclude_unset=True)
    url = link_of(kept).url
    assert url is not None
    again = SearchState.of({name: value for name, (value,) in parse_qs(urlsplit(url).query).items()})
    assert SavedSearchIn.model_validate(saved_state(again)) == SavedSearchIn.model_validate(kept)


@pytest.mark.parametrize("search", [{"q": "a", "space": "other"}, {"q": "say tag:red"}, {"q": "x", "label": ['a"b c']}])
def test_what_the_box_cannot_say_has_no_address(search: dict[str, Any]) -> None:
    assert link_of(search).url is None


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with opened(two_tenants(tmp_path_factory.mktemp("stores")), tmp_path_factory.mktemp("own")) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("other", AccessRole.VIEWER)
        found.give("auditor", AccessRole.AUDITOR)
        yield found


def sent(desk: Desk, path: str, key: str = "viewer", **fields: str) -> httpx.Response:
    return desk.ask("POST", path, key, data=fields)


def test_a_search_is_saved_found_and_forgotten(desk: Desk) -> None:
    answer = sent(desk, "/saved-searches", name=" night ", q="bus tag:red from:1:30", sort="time")
    back = "/?q=bus+tag%3Ared+from%3A1%3A30&sort=time&saved=true"
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    assert "Saved." in desk.get("/", q="red", saved="true").text
    (kept,) = desk.get("/v1/saved-searches").json()["saved_searches"]
    assert {"q": "bus", "tag": ["red"], "from": 90.0, "sort": "time"}.items() <= kept["search"].items()
    assert '<a href="/?q=bus+tag%3Ared+from%3A90&amp;sort=time">night</a>' in desk.get("/").text
    assert "night" not in desk.get("/", "other").text
    assert sent(desk, "/saved-searches/forget", "other", name="night").status_code == 404
    assert sent(desk, "/saved-searches/forget", name="night").headers["location"] == "/"
    assert "night" not in desk.get("/").text


@pytest.mark.parametrize(
    "fields",
    [{}, {"name": " "}, {"name": "x" * 201}, {"name": "x", "q": "red from:soon"}, {"name": "x", "q": "r" * 4_100}],
)
def test_what_cannot_be_saved_is_refused_in_words(desk: Desk, fields: dict[str, str]) -> None:
    answer = sent(desk, "/saved-searches", **({"q": "red"} | fields))
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert desk.get("/v1/saved-searches").json()["saved_searches"] == []


def test_who_may_not_search_keeps_none(desk: Desk) -> None:
    assert sent(desk, "/saved-searches", "auditor", q="red", name="x").status_code == 403
    assert desk.get("/", "auditor").status_code == 200
