"""What stands in the box and in the address of the page, and what the page answers by HTTP."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.testbed.runs import light_settings
from stream.audit.files import event_files
from stream.clock import ManualClock
from stream.events.grid import SECOND_NS
from stream.service.page.box import BoxText, FilterToken
from stream.service.page.pages import POLICY
from stream.service.page.state import SearchState
from stream.service.page.timeline import Timeline
from stream.service.problems import Problem
from stream.service.schemas.assets import AssetDetailOut, AssetOut, ShotOut, TagRangeOut
from stream.service.schemas.moments import MomentOut, TimesOut
from stream.service.server import ServiceOptions, composed


@pytest.mark.parametrize(
    ("text", "words", "filters"),
    [
        ("a red bus", "a red bus", {}),
        ("tenant:acme  a bus label:k=v label:x=y", "a bus", {"tenant": "acme", "label": ["k=v", "x=y"]}),
        ('bus project:"the night shift" from:1:30', "bus", {"project": "the night shift", "from": 90.0}),
        ("to:01:02:03.5 from:7", "", {"to": 3723.5, "from": 7.0}),
        ("tag:bus tag:car nsfw-below:0.5", "", {"tag": ["bus", "car"], "nsfw_below": "0.5"}),
        # What only looks like a filter is words.
        ("at 12:30 http://x other:tenant:acme tenant: bus", "at 12:30 http://x other:tenant:acme tenant: bus", {}),
    ],
)
def test_filters_stand_among_words(text: str, words: str, filters: dict[str, Any]) -> None:
    box = BoxText.of(text)
    assert (box.words, box.filters()) == (words, filters)


@pytest.mark.parametrize("text", ["from:soon", "to:1:2:3:4", "tenant:a tenant:b"])
def test_a_filter_that_cannot_be_understood_is_named(text: str) -> None:
    with pytest.raises(Problem, match=text.partition(":")[0]) as caught:
        BoxText.of(text).filters()
    assert (caught.value.status, caught.value.code) == (400, "bad_filter")


@given(st.lists(st.text("ab :=", min_size=1).map(lambda value: FilterToken("tenant", value)), max_size=3))
def test_a_token_reads_as_it_is_written(tokens: list[FilterToken]) -> None:
    box = BoxText("bus", tuple(tokens))
    assert BoxText.of(str(box)) == box
    if tokens:
        assert BoxText.of(str(box.without(0))).tokens == tuple(tokens[1:])


def test_a_filter_is_put_in_and_taken_out() -> None:
    box = BoxText.of("bus tenant:acme tag:red")
    assert str(box.toggled(FilterToken("tag", "red"))) == "bus tenant:acme"
    assert str(box.toggled(FilterToken("tag", "big"))) == "bus tenant:acme tag:red tag:big"
    assert str(box.toggled(FilterToken("tenant", "globex"))) == "bus tag:red tenant:globex"


def test_an_address_is_the_state() -> None:
    state = SearchState(q="a & b tenant:acme", view="table", limit=48)
    url = httpx.URL(state.url())
    assert SearchState.of(url.params) == state
    assert SearchState.of({"view": "x", "group": "y", "limit": "many"}) == SearchState()
    assert SearchState.of({"limit": "999999"}).limit == 200
    assert SearchState().url() == "/"


def test_tags_alone_are_what_to_look_for() -> None:
    state = SearchState(q='tag:"mountain bike" tag:red project:dailies')
    assert (state.asks, state.asked()["q"], state.narrowed().get("q")) == (True, "mountain bike red", None)
    assert SearchState(q="bus tag:red").asked()["q"] == "bus"
    assert "q" not in SearchState(q="tag:red", like="0" * 32).asked()
    assert not SearchState(q="project:dailies").asks


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    options = ServiceOptions(tmp_path / "audit", port=0)
    with composed(light_settings(tmp_path), options, ManualClock(), "0.1.0") as found:
        yield found


@pytest.mark.anyio
async def test_a_page_loads_its_own_files_alone(app: FastAPI, tmp_path: Path) -> None:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        start = await client.get("/")
        files = re.findall(r'(?:src|href)="(/static/[^"]+)"', start.text)
        assert len(files) == 3
        for path in files:
            answer = await client.get(path)
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert (await client.get(path.replace("/static/", "/static/0"))).status_code == 404
        assert " style=" not in start.text
        assert "<script>" not in start.text
        # A store without footage is a page too, and it is audited like any search.
        failed = await client.get("/", params={"q": "a secret submarine"}, headers={"accept": "text/html"})
        gone = await client.get("/nowhere", headers={"accept": "text/html"})
        assert [
            (answer.status_code, answer.headers["content-security-policy"]) for answer in (start, failed, gone)
        ] == [
            (200, POLICY),
            (400, POLICY),
            (404, POLICY),
        ]
        assert "The index holds nothing yet." in failed.text
        assert (await client.get("/nowhere")).headers["content-type"] == "application/problem+json"
    text = b"".join(path.read_bytes() for path in event_files(tmp_path / "audit"))
    assert b"empty_index" in text
    assert b"submarine" not in text


def times(start_s: float, end_s: float) -> TimesOut:
    return TimesOut.between(round(start_s * SECOND_NS), round(end_s * SECOND_NS), None, 0)


def moment(start_s: float, nsfw: float | None) -> MomentOut:
    """Of fifty seconds."""
    return MomentOut(
        moment_id=str(start_s),
        times=times(start_s, start_s + 50),
        kind="visual",
        starts_at_cut=True,
        ends_at_cut=True,
        shot_method="hashing",
        caption="",
        caption_method="template",
        tags=[],
        moderation_nsfw=nsfw,
        not_looked_for=[],
        damaged=False,
        thumbnail="",
    )


def detail(*moments: MomentOut, tags: int = 0) -> AssetDetailOut:
    """An asset of a hundred seconds, whose tag N holds for N seconds."""
    asset = AssetOut(
        tenant="acme",
        project="default",
        asset_id="x",
        path="",
        status="ready",
        segments=10,
        segments_done=10,
        duration_s=100,
        missing_s=[(99.99, 100)],
        damaged_s=[],
        notes=[],
        code=None,
        reason=None,
        labels=[],
        searchable=True,
        updated_at_ms=0,
    )
    held = [
        TagRangeOut(label=f"tag {number}", kind="visual", start_s=0, end_s=number, score=0.5)
        for number in range(1, tags + 1)
    ]
    return AssetDetailOut(
        asset=asset,
        stages=[],
        media=None,
        sprite=None,
        space=None,
        shots=[ShotOut(kind="visual", times=it.times) for it in moments],
        moments=list(moments),
        tags=held,
        not_looked_for=[],
        complete=True,
    )


def test_lanes_cover_the_time_of_an_asset() -> None:
    timeline = Timeline.of(detail(moment(0, 1.0), moment(50, None), tags=10))
    assert timeline is not None
    lanes = {lane.name: lane.bars for lane in timeline.lanes}
    # Eight tags: those that hold longest.
    assert list(lanes) == ["shots", "tag 10", *(f"tag {number}" for number in range(3, 10)), "moderation", "missing"]
    assert [(bar.x, bar.width) for bar in lanes["shots"]] == [(0, 50), (50, 50)]
    assert [(bar.x, bar.width, bar.level) for bar in lanes["moderation"]] == [(0, 50, 4)]
    # What is short can be seen, and lies within.
    assert [(bar.x, bar.width) for bar in lanes["missing"]] == [(99.8, 0.2)]
    assert timeline.marks[-1] == (100, "1:40")
    assert Timeline.of(detail()) is None


def test_a_lane_says_that_nobody_looked() -> None:
    unseen = detail(moment(0, None)).model_copy(update={"not_looked_for": ["moderation", "shots"]})
    timeline = Timeline.of(unseen)
    assert timeline is not None
    lanes = {lane.name: lane.bars for lane in timeline.lanes}
    assert list(lanes) == ["shots: not looked for", "moderation: not looked for", "missing"]
    assert lanes["shots: not looked for"] == (), "a cell is no shot"
