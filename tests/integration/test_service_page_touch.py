"""The page under a finger, in a real Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from tests.support.browser import DESKTOP, PHONE, Visit, chromium, visit
from tests.support.service_desk import opened


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    root = tmp_path_factory.mktemp("phone")
    clip = write_clip(root / "shots.mp4", seconds=6, fps=5, scenes=3)
    event = published(clip.path, tenant="acme", labels={"show": "pilot"})
    run_events(light_settings(root / "state", root), [event])
    with (
        opened(root / "state", root / "own") as desk,
        chromium() as browser,
        visit(browser, str(desk.client.base_url), PHONE) as found,
    ):
        yield found


def test_counts_and_other_pages_are_a_tap_away(tab: Visit) -> None:
    page = tab.go("/?q=red")
    label = page.get_by_role("link", name="show=pilot")
    expect(label).to_be_hidden()
    page.get_by_role("button", name="Narrow down").click()
    expect(label).to_be_in_viewport()
    assert tab.barriers() == []
    label.click()
    expect(page.get_by_role("link", name="Remove label: show=pilot")).to_be_visible()
    assert page.get_by_role("link", name="Assets").count() == 0
    page.get_by_role("button", name="Menu").click()
    assert tab.barriers() == []
    page.get_by_role("link", name="Assets").click()
    expect(page.get_by_role("heading", name="Assets of acme")).to_be_visible()


def test_hits_stand_in_pairs_and_cells_of_a_row_end_together(tab: Visit) -> None:
    page = tab.go("/?q=red&group=moment")
    columns = page.locator("ol.grid").evaluate("grid => getComputedStyle(grid).gridTemplateColumns.split(' ').length")
    assert (columns, tab.overflows()) == (2, False)
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    tab.go("/audit")
    ends = "rows => rows.map(row => new Set([...row.cells].map(cell => cell.getBoundingClientRect().bottom)).size)"
    assert set(page.locator("tbody tr").evaluate_all(ends)) == {1}
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})


def test_the_selection_stands_at_the_foot_of_a_short_page(tab: Visit) -> None:
    page = tab.go("/?q=red")
    page.get_by_role("checkbox").first.check()
    page = tab.go("/?q=red+tenant:nobody")
    bar = page.locator("#selection").bounding_box()
    assert bar is not None
    assert bar["y"] + bar["height"] == PHONE[1]
    # A table of data has no frame rate; an edit list has.
    expect(page.locator("select[name=fps]")).to_be_hidden()
    page.locator("select[name=format]").select_option("edl")
    expect(page.locator("select[name=fps]")).to_be_visible()


def test_a_finger_drawn_across_a_picture_shows_its_asset(tab: Visit) -> None:
    tab.page.emulate_media(reduced_motion="no-preference")
    page = tab.go("/?q=red")
    picture = page.locator(".hit .open").first
    box = picture.bounding_box()
    assert box is not None
    finger, y = tab.context.new_cdp_session(page), box["y"] + box["height"] / 2

    def touch(kind: str, *shares: float) -> None:
        points = [{"x": box["x"] + box["width"] * share, "y": y} for share in shares]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.1)
    for percent in range(15, 90, 5):
        touch("touchMove", percent / 100)
    expect(picture.locator(".scrub > span")).to_be_visible()
    touch("touchEnd")
    expect(picture.locator(".scrub")).to_have_count(0)
    # It was no tap: the search is still there.
    assert "q=red" in page.url
