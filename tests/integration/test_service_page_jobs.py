"""Jobs on the page, in a real Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from stream.media import REGISTRY
from tests.support.browser import DESKTOP, PHONE, chromium, visit
from tests.support.finished_jobs import finished_job
from tests.support.service_desk import opened

SHAPES = """
version: 1
name: shapes
parameters: {mode: zip, axes: {width: [64, 36, 128], height: [64, 64, 32]}}
stages:
  - {name: draw, operator: composite, settings: {width: "${width}", height: "${height}", duration: 0.2}}
finals: [draw]
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a service that nobody has set up: whoever is on this machine is its administrator."""
    own = tmp_path_factory.mktemp("own")
    finished_job(own, "acme", "ads")
    finished_job(own, "acme", "ads", name="shapes", template=SHAPES, operators=tuple(REGISTRY.items()))
    with opened(tmp_path_factory.mktemp("stores") / "state", own) as desk:
        yield str(desk.client.base_url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize(("name", "path"), [("jobs", "/jobs?tenant=acme"), ("job", "/jobs/acme/spring")])
def test_jobs_are_without_barriers_in_every_look(
    browser: Browser, address: str, tmp_path: Path, name: str, path: str
) -> None:
    with visit(browser, address) as tab:
        page = tab.go(path)
        for size, dark in ((DESKTOP, False), (DESKTOP, True), (PHONE, True)):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.screenshot(path=tmp_path / f"{name}-{size[0]}-{dark}.png")
            assert tab.barriers() == []
            # Nothing but a table is wider than a phone.
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_pictures_of_films_of_any_shape_stand_in_equal_frames(browser: Browser, address: str) -> None:
    with visit(browser, address) as tab:
        page = tab.go("/jobs/acme/shapes")
        pictures = page.get_by_role("img", name="Picture of")
        expect(pictures).to_have_count(3)
        for picture, width in zip(pictures.all(), (64, 36, 128), strict=True):
            picture.scroll_into_view_if_needed()
            expect(picture).to_have_js_property("naturalWidth", width)
        frames = page.evaluate(
            "[...document.querySelectorAll('.variant .open')].map(frame => [frame.clientWidth, frame.clientHeight])"
        )
        assert len({tuple(frame) for frame in frames}) == 1
        assert abs(frames[0][0] / frames[0][1] - 16 / 9) < 0.02


def test_a_job_shows_what_failed_its_variants_and_their_files_without_a_script(browser: Browser, address: str) -> None:
    with visit(browser, address, script=False) as tab:
        page = tab.go("/")
        page.get_by_role("link", name="Jobs", exact=True).click()
        page.get_by_role("link", name="spring").click()
        failed = page.get_by_role("region", name="Table of failed variants").get_by_role("row")
        expect(failed.last).to_contain_text("word_not_allowed")
        cards = page.get_by_role("list", name="Variants").locator("> li")
        expect(cards).to_have_count(3)
        with page.expect_download() as taken:
            cards.first.get_by_role("link", name="draw/poster.png").click()
        assert taken.value.path().read_bytes().startswith(b"\x89PNG")
