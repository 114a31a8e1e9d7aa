"""The page over an asset of many moments, and over one whose cells are to come, in a real Chromium."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from benchmarks.testbed.runs import light_settings
from models.registry import ModelContext
from sinks.lance.sink import LanceSink
from sinks.protocol import Sink
from sinks.sharded.sink import sink_at
from stream.clock import ManualClock
from tests.support.annotations import annotations, events, planned, ref, segment_failed
from tests.support.browser import chromium, visit
from tests.support.calibrated_space import CalibratedSpace
from tests.support.service_desk import opened

SPACE = CalibratedSpace(ModelContext.of(Path("nowhere"))).space


def _index_with_plan(tmp_path: Path, name: str) -> Sink:
    """Of an asset of two cells, neither of which is there. Open."""
    directory = light_settings(tmp_path / "state").index_dir
    sink = sink_at(directory, partial(LanceSink, clock=ManualClock()), shards=1, name="the index", alone=True)
    sink.open()
    list(sink.process(events(planned(ref(name), of=2))))
    return sink


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores with an asset of 400 moments that say "red", and one whose cells are to come."""
    state = tmp_path_factory.mktemp("many") / "state"
    settings = light_settings(state)
    sink = sink_at(settings.index_dir, partial(LanceSink, clock=ManualClock()), shards=1, name="the index", alone=True)
    sink.open()
    long, words = ref("long", tenant="acme"), ("red",) * 10
    cells = [annotations(long, number, of=40, count=10, words=words, space=SPACE) for number in range(40)]
    list(sink.process(events(planned(long, of=40), *cells, planned(ref("late", 2), of=3))))
    sink.close()
    return state


def test_what_is_not_searchable_yet_is_named_beside_the_answer(browser: Browser, many: Path, tmp_path: Path) -> None:
    with opened(many, tmp_path / "own") as desk, visit(browser, str(desk.client.base_url)) as tab:
        page = tab.go("/?q=red")
        partial = page.locator("#partial")
        expect(partial).to_contain_text("1 asset is not wholly searchable yet: late (0 of 3 cells).")
        expect(partial).to_contain_text("published before 2023-11-14 22:15:20 UTC is searchable")
        page.screenshot(path=tmp_path / "partial.png")
        assert tab.barriers() == []
        page.get_by_role("link", name="Assets").click()
        expect(page.get_by_role("heading", name="Assets of acme")).to_be_visible()
        assert page.locator("tbody .open").all_inner_texts() == ["late", "long"]
        expect(page.locator("#partial")).to_be_visible()
        page.screenshot(path=tmp_path / "assets.png")
        assert tab.barriers() == []


def test_what_is_worked_on_is_shown_as_it_changes(browser: Browser, tmp_path: Path) -> None:
    late, sink = ref("late"), _index_with_plan(tmp_path, "late")
    with opened(tmp_path / "state", tmp_path / "own") as desk, visit(browser, str(desk.client.base_url)) as tab:
        listed, shown = tab.go("/assets?tenant=acme"), tab.context.new_page()
        shown.goto(f"{tab.base}/assets/acme/late")
        row = listed.get_by_role("row", name="late")
        expect(row).to_contain_text("0 of 2")
        list(sink.process(events(annotations(late, 0, of=2, space=SPACE))))
        expect(row).to_contain_text("1 of 2")
        stage = shown.get_by_role("table").get_by_role("row", name="index")
        expect(stage.get_by_role("progressbar")).to_have_js_property("value", 1)
        listed.screenshot(path=tmp_path / "under-way.png")
        shown.screenshot(path=tmp_path / "under-way-asset.png")
        assert tab.barriers() == []
        list(sink.process(events(segment_failed(late, 1))))
        expect(row.locator("[data-status]")).not_to_have_text("planned")
        # Who may be watching is asked before anything moves.
        shown.get_by_role("link", name="Show all of it").click()
        expect(shown.get_by_role("heading", name="Moments")).to_be_visible()
        expect(shown.locator("[data-stages] [data-code]").filter(has_text=segment_failed().code)).to_have_count(1)
    sink.close()


def test_a_page_that_is_refused_the_news_asks_again(browser: Browser, tmp_path: Path) -> None:
    late, sink = ref("late"), _index_with_plan(tmp_path, "late")
    asked: list[str] = []

    def refused_once(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(status=503)
        else:
            route.continue_()

    with opened(tmp_path / "state", tmp_path / "own") as desk, visit(browser, str(desk.client.base_url)) as tab:
        tab.page.route("**/v1/assets/acme/late/events", refused_once)
        row = tab.go("/assets?tenant=acme").get_by_role("row", name="late")
        expect(row).to_contain_text("0 of 2")
        list(sink.process(events(annotations(late, 0, of=2, space=SPACE))))
        expect(row).to_contain_text("1 of 2")
        assert len(asked) == 2
    sink.close()


def test_a_long_answer_comes_as_one_scrolls_and_leaves_the_document_small(
    browser: Browser, many: Path, tmp_path: Path
) -> None:
    with opened(many, tmp_path / "own") as desk, visit(browser, str(desk.client.base_url)) as tab:
        page = tab.go("/?q=red&group=moment")
        first = page.locator(".hit .open").first.get_attribute("href")
        # To the end of what there is, which grows as one comes near it.
        page.wait_for_function("""() => {
            scrollTo(0, document.body.scrollHeight);
            return document.querySelector("#summary").textContent === "400 hits";
        }""")
        page.keyboard.press("End")
        expect(page.locator(".hit[aria-posinset='400']")).to_be_visible()
        assert page.locator(".hit").count() < 100
        assert page.locator(".hit[aria-posinset='400']").get_attribute("aria-setsize") == "400"
        assert tab.barriers() == []
        page.screenshot(path=tmp_path / "end.png")
        page.keyboard.press("Home")
        expect(page.locator(".hit[aria-posinset='1'] .open")).to_have_attribute("href", str(first))
        page.locator(".hit .open").first.focus()
        for _ in range(90):
            page.keyboard.press("j")
        assert page.evaluate("document.activeElement.closest('.hit').getAttribute('aria-posinset')") == "91"
    with opened(many, tmp_path / "other") as desk, visit(browser, str(desk.client.base_url), script=False) as tab:
        page = tab.go("/?q=red&group=moment")
        page.get_by_role("link", name="More hits").click()
        expect(page.locator("#summary")).to_have_text("96 hits: 96 fair")
        expect(page.locator("ol.grid")).to_have_attribute("start", "25")
