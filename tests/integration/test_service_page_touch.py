"""The page under a finger, in a real Chromium."""

from pathlib import Path

from playwright.sync_api import expect

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from tests.support.browser import PHONE, chromium, visit
from tests.support.service_desk import opened


def test_a_finger_drawn_across_a_picture_shows_its_asset(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "shots.mp4", seconds=6, fps=5, scenes=3)
    run_events(light_settings(tmp_path / "state", tmp_path), [published(clip.path, tenant="acme")])
    with (
        opened(tmp_path / "state", tmp_path / "own") as desk,
        chromium() as browser,
        visit(browser, str(desk.client.base_url), PHONE) as tab,
    ):
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
