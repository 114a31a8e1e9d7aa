"""Uploads from the page in a real Chromium: until the asset is ready, and after a connection that was cut."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, expect

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings
from stream.access.actions import AccessRole
from stream.service.uploads.uploads import UploadLimits
from tests.support.browser import DESKTOP, PHONE, Visit, chromium, signed_in, visit
from tests.support.kept_work import KeptWork, WorkedOn
from tests.support.service_desk import Desk, opened

MIB = 1 << 20
EDITORS_ROLE = "grant/acme/*/editor/service:acme/editor"
LIMITS = UploadLimits(most_bytes=40 * MIB, tenant_bytes=50 * MIB)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def background() -> KeptWork:
    return KeptWork()


@pytest.fixture
def desk(tmp_path: Path, background: KeptWork) -> Iterator[Desk]:
    with opened(tmp_path / "state", tmp_path / "own", background=background, uploads=LIMITS) as found:
        found.give("editor", AccessRole.EDITOR)
        yield found


def row(page: Page, name: str) -> Locator:
    return page.locator("#uploads > li", has_text=name)


def word(page: Page, name: str) -> Locator:
    return row(page, name).locator("[data-word]")


def small(name: str, data: bytes = b"x") -> FilePayload:
    return {"name": name, "mimeType": "video/mp4", "buffer": data}


def whose_asset_is_known(route: Route) -> None:
    if route.request.method != "GET":
        route.continue_()
        return
    answer = route.fetch()
    route.fulfill(response=answer, json=answer.json() | {"asset_known": True})


def looked_at(tab: Visit, folder: Path, name: str) -> None:
    for look, size, scheme in (("light", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "dark")):
        tab.page.set_viewport_size({"width": size[0], "height": size[1]})
        tab.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        tab.page.screenshot(path=folder / f"uploads-{name}-{look}.png", full_page=True)
        assert tab.barriers() == []
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_a_file_is_uploaded_understood_and_linked(browser: Browser, tmp_path: Path) -> None:
    state, own = tmp_path / "state", tmp_path / "own"
    clip = write_clip(tmp_path / "clip.mp4", seconds=4, fps=5, scenes=[1.0, 3.0]).path
    with (
        opened(state, own, background=WorkedOn(light_settings(state, tmp_path)), uploads=LIMITS) as desk,
        visit(browser, str(desk.client.base_url)) as tab,
    ):
        desk.give("editor", AccessRole.EDITOR)
        page = signed_in(tab, desk.keys["editor"], "/uploads")
        expect(page.get_by_text("There are none.")).to_be_visible()
        page.get_by_label("Project").fill("news")
        page.get_by_label("Labels").fill("show=pilot, reel")
        page.get_by_label("Choose files").set_input_files(clip)
        # What is no label is said before anything is sent.
        assert page.get_by_label("Labels").evaluate("field => field.validationMessage").startswith("Write a label")
        page.get_by_label("Labels").fill("show=pilot, reel=7")
        page.get_by_label("Choose files").set_input_files(clip)
        expect(word(page, "clip.mp4")).to_have_text("ready", timeout=60_000)
        expect(page.locator("#status")).to_have_text("clip.mp4: ready.")
        expect(row(page, "clip.mp4")).to_contain_text("acme / news · show=pilot · reel=7")
        looked_at(tab, tmp_path, "ready")
        row(page, "clip.mp4").get_by_role("link", name="clip.mp4").click()
        expect(page.get_by_role("list", name="Labels")).to_contain_text("reel=7")
        # Whoever comes back finds it again.
        tab.go("/uploads")
        expect(word(page, "clip.mp4")).to_have_text("ready")
        (found,) = desk.get("/v1/uploads", "editor").json()["uploads"]
        assert desk.get(f"{found['asset']}/media", "editor").content == clip.read_bytes()


def test_an_asset_that_is_not_known_yet_is_not_asked_for(browser: Browser, desk: Desk) -> None:
    with visit(browser, str(desk.client.base_url)) as tab:
        page = signed_in(tab, desk.keys["editor"], "/uploads")
        page.get_by_label("Choose files").set_input_files([small("new.mp4")])
        expect(word(page, "new.mp4")).to_have_text("published")
        for _ in range(2):
            with page.expect_response(lambda answer: answer.request.method == "GET") as asked:
                pass
            # Each refusal would be an event that an auditor reads.
            assert (asked.value.status, "/v1/uploads/" in asked.value.url) == (200, True)
    assert not [event for event in desk.events() if event["status"] in {"Denied", "Failure"}]


def test_one_of_many_is_told_of_its_end_while_others_are_understood(browser: Browser, desk: Desk) -> None:
    asset = {
        "status": "failed",
        "segments": 0,
        "segments_done": 0,
        "code": "unreadable_container",
        "reason": "no video",
    }
    with visit(browser, str(desk.client.base_url)) as tab:
        tab.page.route(re.compile(r"/v1/uploads/\w+$"), whose_asset_is_known)
        # These are listened to for as long as this test lasts.
        tab.page.route(re.compile(r"/v1/assets/.*(one|two)\.mp4/events"), lambda _: None)
        tab.page.route(re.compile(r"/v1/assets/.*three\.mp4\?"), lambda route: route.fulfill(json={"asset": asset}))
        page = signed_in(tab, desk.keys["editor"], "/uploads")
        for name in ("one.mp4", "two.mp4", "three.mp4"):
            page.get_by_label("Choose files").set_input_files([small(name)])
            expect(word(page, name)).to_have_text(re.compile("published|failed"))
        expect(word(page, "three.mp4")).to_have_text("failed")
        expect(row(page, "three.mp4")).to_contain_text("unreadable_container: no video")
        assert word(page, "one.mp4").inner_text() == "published"


def test_a_cut_connection_and_a_reload_go_on_where_they_were(
    browser: Browser, desk: Desk, background: KeptWork, tmp_path: Path
) -> None:
    file = tmp_path / "day 1*.mov"
    file.write_bytes(bytes(range(251)) * (20 * MIB // 251))
    size, offsets, cut = file.stat().st_size, list[int](), True

    def between(route: Route) -> None:
        if route.request.method != "PATCH":
            route.continue_()
            return
        offset = int(route.request.headers["upload-offset"])
        if cut and offset:
            route.abort("connectionreset")
            return
        offsets.append(offset)
        route.continue_()

    begun: list[str] = []

    def lose_an_answer(route: Route) -> None:
        begun.append(route.fetch().headers["location"])
        route.abort("connectionreset") if len(begun) == 1 else route.continue_()

    with visit(browser, str(desk.client.base_url)) as tab:
        page = signed_in(tab, desk.keys["editor"], "/uploads")
        page.on("dialog", lambda dialog: dialog.accept())
        page.route("**/v1/uploads/*", between)
        page.route("**/v1/uploads?*", lose_an_answer)
        page.get_by_label("Choose files").set_input_files(file)
        expect(row(page, "day 1")).to_contain_text("8.4 MB of 21.0 MB", timeout=30_000)
        expect(row(page, "day 1")).to_contain_text("The service does not answer. It goes on by itself.")
        expect(page.locator("#status")).to_have_text(re.compile(r"^day 1\*\.mov: paused"))
        # What began when the answer was lost is what goes on.
        assert len(begun) == 2
        assert len(desk.get("/v1/uploads", "editor").json()["uploads"]) == 1
        page.reload()
        expect(word(page, "day 1_.mov")).to_have_text("paused")
        assert row(page, "day 1_.mov").get_by_role("progressbar").evaluate("bar => bar.value") == 8 * MIB
        again = row(page, "day 1_.mov").get_by_label("Choose the file day 1_.mov")
        again.set_input_files(small("other.mov"))
        expect(row(page, "day 1_.mov")).to_contain_text("choose the file that it began with")
        looked_at(tab, tmp_path, "paused")
        page.get_by_label("Choose files").set_input_files(file)
        expect(row(page, "day 1_.mov")).to_contain_text("It goes on by itself.")
        cut = False
        expect(word(page, "day 1_.mov")).to_have_text("published", timeout=30_000)
        assert offsets == [0, 8 * MIB, 16 * MIB]
        (publication,) = background.publications
        assert Path(publication.uri).read_bytes() == file.read_bytes()
        assert publication.size_bytes == size
        tab.complaints = [text for text in tab.complaints if "ERR_CONNECTION_RESET" not in text]


def test_what_is_refused_says_why_and_can_be_tried_again(browser: Browser, desk: Desk, tmp_path: Path) -> None:
    desk.give("viewer", AccessRole.VIEWER)
    desk.give("of a project", AccessRole.EDITOR, project="news")
    base = str(desk.client.base_url)
    with visit(browser, base) as tab:
        page = signed_in(tab, desk.keys["editor"], "/uploads")
        large = tmp_path / "large.mov"
        with large.open("wb") as file:
            file.truncate(LIMITS.most_bytes + 1)
        page.get_by_label("Choose files").set_input_files(large)
        expect(row(page, "large.mov")).to_contain_text("one upload at most 41.9 MB")
        with page.expect_file_chooser() as chooser:
            page.get_by_label("Choose files").press("Enter")
        chooser.value.set_files([small("a.mp4"), small("empty.mp4", b"")])
        expect(row(page, "empty.mp4")).to_contain_text("The file is empty.")
        expect(word(page, "a.mp4")).to_have_text("published")
        tab.context.set_offline(True)
        page.get_by_label("Choose files").set_input_files(small("b.mp4"))
        expect(row(page, "b.mp4")).to_contain_text("This device is offline. It goes on by itself.")
        tab.context.set_offline(False)
        expect(word(page, "b.mp4")).to_have_text("published")
        (taken,) = (it for it in desk.register.register().records("acme") if it.key == EDITORS_ROLE)
        desk.register.take(EDITORS_ROLE)
        page.get_by_label("Choose files").set_input_files(small("c.mp4"))
        expect(row(page, "c.mp4")).to_contain_text("no role that may do this")
        looked_at(tab, tmp_path, "refused")
        desk.register.put(taken)
        page.get_by_role("button", name="Try again: c.mp4").click()
        expect(word(page, "c.mp4")).to_have_text("published")
        row(page, "empty.mp4").locator("summary").click()
        page.get_by_role("button", name="Give up empty.mp4").click()
        expect(row(page, "empty.mp4")).to_have_count(0)
        expect(page.locator("#files")).to_be_focused()
        tab.complaints = [text for text in tab.complaints if "ERR_INTERNET_DISCONNECTED" not in text]
    with visit(browser, base) as tab:
        page = signed_in(tab, desk.keys["of a project"], "/uploads")
        assert page.get_by_label("Project").locator("option").all_inner_texts() == ["news"]
        tab.go("/uploads?tenant=globex")
        expect(page.get_by_text("404 Not Found")).to_be_visible()
    with visit(browser, base) as tab:
        page = signed_in(tab, desk.keys["viewer"], "/assets")
        assert page.get_by_role("link", name="Upload").count() == 0
        tab.go("/uploads")
        expect(page.get_by_text("403 Forbidden")).to_be_visible()
    with visit(browser, base, script=False) as tab:
        page = signed_in(tab, desk.keys["of a project"], "/uploads")
        expect(page.get_by_text("Uploading from this page needs a script")).to_be_visible()
        assert page.get_by_label("Choose files").is_hidden()
