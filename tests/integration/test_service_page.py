"""The page in a real Chromium: each of its states, in light and dark and on a phone, without barriers."""

import io
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, expect

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from stream.access.actions import AccessRole
from stream.pipelines.settings import ModelChoice
from tests.support.browser import DESKTOP, PHONE, Visit, chromium, signed_in, visit
from tests.support.calibrated_space import SPEC
from tests.support.pictures import red_clip
from tests.support.service_desk import TakenWork, opened

HOSTILE = "<img src=x onerror=alert(1)>\u202e"
STATES = {
    "empty": "/",
    "results": "/?q=red+kind:visual",
    "table": "/?q=red&view=table",
    "weak": "/?q=blue+tenant:globex",
    "none": "/?q=red+tenant:nobody",
    "error": "/?q=red+from:soon",
    "absent": "/nowhere",
    "asset": "/assets/acme/shots?t=6",
    "assets": "/assets?tenant=acme",
    "freshness": "/freshness?tenant=acme",
    "dead letters": "/dead-letters",
    "audit": "/audit",
    "failed asset": "/assets/acme/broken",
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores of a calibrated space: a clip of many shots, and one with a name that would like to be markup."""
    root = tmp_path_factory.mktemp("page")
    settings = light_settings(root / "state", root, models=replace(ModelChoice.light(), embedder=SPEC))
    clips = [write_clip(root / f"{name}.mp4", seconds=12, fps=5, scenes=8) for name in ("shots", "other", "gone")]
    clips_published = [
        published(clip.path, asset_id=name, tenant="acme", labels={"show": "pilot"})
        for clip, name in zip(clips, ("shots", HOSTILE, "gone"), strict=True)
    ]
    (root / "broken.mp4").write_bytes(b"no video")
    clips_published.append(published(root / "broken.mp4", asset_id="broken", tenant="acme"))
    run_events(settings, [*clips_published, published(red_clip(root / "red.mp4"), tenant="globex")])
    (root / "gone.mp4").unlink()
    return settings.state_dir


@pytest.fixture(scope="module")
def address(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a service that nobody has set up: whoever is on this machine is its administrator."""
    with opened(stores, tmp_path_factory.mktemp("own"), background=TakenWork()) as desk:
        yield str(desk.client.base_url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Visit]:
    with visit(browser, address) as found:
        yield found


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_without_barriers_in_every_look(tab: Visit, tmp_path: Path, name: str) -> None:
    page = tab.go(STATES[name])
    for look, size, scheme in (("light", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "dark")):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.screenshot(path=tmp_path / f"{name}-{look}.png")
        assert tab.barriers() == []
        assert not tab.overflows()


def test_every_hit_says_where_and_how_strong(tab: Visit) -> None:
    page = tab.go("/?q=red")
    first = page.locator(".hit").first
    expect(first.locator(".strength")).to_have_text("strong")
    expect(first.locator(".code")).to_have_text(re.compile(r"\d\d:\d\d:\d\d\.\d{3}"))
    assert first.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page = tab.go("/?q=blue+tenant:globex")
    expect(page.get_by_text("Nothing seems to show this.")).to_be_visible()
    assert page.locator(".hit .strength").all_inner_texts() == ["weak"]
    page = tab.go("/?q=red")
    page.get_by_role("link", name="More like this").first.click()
    expect(page.locator(".chips")).to_have_text("like a moment")
    # Likeness is not calibrated.
    assert page.locator(".hit").count() > 0
    assert page.locator(".hit .strength").count() == 0


def test_results_come_as_one_types_and_back_leads_back(tab: Visit) -> None:
    page = tab.go("/")
    box = page.get_by_label("Search footage")
    box.press_sequentially("red")
    expect(page.locator(".hit").first).to_be_visible()
    said = "() => document.querySelector('#status').textContent === document.querySelector('#summary')?.textContent"
    page.wait_for_function(said)
    box.press_sequentially(" tenant:nobody")
    expect(page.get_by_role("heading", name="Nothing matched")).to_be_visible()
    assert box.evaluate("box => box === document.activeElement")
    page.get_by_role("link", name="Remove tenant: nobody").click()
    expect(page.locator(".hit").first).to_be_visible()
    assert box.input_value() == "red"
    page.get_by_role("link", name="table").click()
    expect(page.get_by_role("table")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "view-table"
    for _ in range(2):
        page.go_back()
    expect(page.get_by_role("heading", name="Nothing matched")).to_be_visible()
    assert box.input_value() == "red tenant:nobody"
    page.go_back()
    expect(page.get_by_text("Find a moment in your footage")).to_be_visible()


def test_filters_are_completed_by_keys_alone(tab: Visit, tmp_path: Path) -> None:
    page = tab.go("/?view=table")
    box = page.get_by_role("combobox", name="Search footage")
    box.press_sequentially("red te")
    offered = page.get_by_role("listbox", name="Filters").get_by_role("option")
    expect(offered).to_have_text(["tenant: whose footage it is"])
    box.press("ArrowDown")
    expect(offered).to_have_attribute("aria-selected", "true")
    assert box.get_attribute("aria-activedescendant") == offered.get_attribute("id")
    box.press("Enter")
    expect(box).to_have_value("red tenant:")
    expect(offered.locator("code")).to_have_text(["tenant:acme", "tenant:globex"])
    expect(page.locator("#status")).to_have_text("2 suggestions")
    page.screenshot(path=tmp_path / "completion.png")
    assert tab.barriers() == []
    # Up from nothing is the last.
    box.press("ArrowUp")
    box.press("Enter")
    expect(box).to_have_value("red tenant:globex ")
    expect(page.locator(".chips")).to_have_text("tenant: globex")
    expect(page).to_have_url(re.compile(r"/\?q=red\+tenant%3Aglobex&view=table$"))
    box.press_sequentially("tag:")
    # Of what the other filters leave.
    expect(offered.locator("code")).to_have_text(["tag:red"])
    box.press_sequentially("r")
    box.press("Escape")
    expect(offered).to_have_count(0)
    expect(box).to_have_value("red tenant:globex tag:r")


def test_counts_narrow_down_and_widen_again(tab: Visit) -> None:
    page = tab.go("/?q=red")
    counts = page.get_by_role("complementary", name="Narrow down")
    tenant = counts.get_by_role("link", name=re.compile(r"^globex"))
    tenant.click()
    expect(page.locator(".chips")).to_have_text("tenant: globex")
    expect(page.locator(".hit")).to_have_count(1)
    expect(tenant).to_have_attribute("aria-current", "true")
    assert tab.barriers() == []
    tenant.click()
    expect(page.locator(".chips")).to_have_count(0)
    page.get_by_role("link", name="rushes").click()
    expect(counts).to_have_count(0)  # the page that is left has such a link too
    page.get_by_role("link", name=re.compile(r"^blue")).click()
    expect(page.get_by_label("Search footage")).to_have_value("blue")
    expect(page.locator(".hit").first).to_be_visible()


def test_a_picture_finds_what_looks_like_it(browser: Browser, stores: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2_000, 1_000), (250, 5, 5)).save(buffer, "png")
    file: FilePayload = {"name": "red.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    with opened(stores, tmp_path / "own") as desk:
        desk.give("stranger", AccessRole.VIEWER, "globex")
        with visit(browser, str(desk.client.base_url)) as tab:
            page = signed_in(tab, desk.keys["stranger"], "/")
            page = tab.go("/?q=words+kind:visual")
            chooser = page.get_by_label("Search by a picture")
            expect(chooser).to_be_visible()
            chooser.set_input_files(file)
            expect(page.locator(".chips")).to_have_text(re.compile(r"like a picture\s*kind: visual"))
            # The words gave way to the picture, and the filters did not.
            expect(page.get_by_label("Search footage")).to_have_value("kind:visual")
            expect(page.locator(".asset")).to_have_text("red.mp4")
            page.screenshot(path=tmp_path / "picture.png")
            assert tab.barriers() == []
            chooser.set_input_files({**file, "buffer": b"no picture"})
            expect(page.get_by_text("400 Bad Request")).to_be_visible()
            page.go_back()
            page.go_back()
            expect(page.get_by_label("Search footage")).to_have_value("words kind:visual")


def test_moving_over_a_picture_shows_the_rest_of_its_asset(tab: Visit) -> None:
    page = tab.page
    page.emulate_media(reduced_motion="no-preference")
    tab.go("/?q=red+label:show=pilot")
    picture = page.locator(".hit .open").first
    box = picture.bounding_box()
    assert box is not None
    shown = []
    for share in (0.05, 0.95):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
        tile = picture.locator(".scrub > span")
        expect(tile).to_be_visible()
        expect(tile).to_have_css("background-image", re.compile(r"sprite\.jpg"))
        shown.append(tile.evaluate("tile => tile.style.backgroundPosition"))
    assert shown[0] != shown[1]
    # Where in the asset that is.
    expect(picture.locator(".scrub b")).to_have_text(re.compile(r"00:00:(09|1\d)\.\d{3}"))
    page.mouse.move(0, 0)
    expect(picture.locator(".scrub")).to_have_count(0)


def test_a_selection_is_taken_out_as_a_file(browser: Browser, stores: Path, tmp_path: Path) -> None:
    with opened(stores, tmp_path / "own") as desk:
        desk.give("editor", AccessRole.EDITOR)
        desk.give("viewer", AccessRole.VIEWER)
        base = str(desk.client.base_url)
        with visit(browser, base) as tab:
            page = signed_in(tab, desk.keys["editor"], "/?q=red")
            page.keyboard.press("j")
            page.keyboard.press("x")
            page.get_by_role("link", name="table").click()
            # It is the same hit in another state of the page.
            expect(page.get_by_role("checkbox").first).to_be_checked()
            page.get_by_role("checkbox").nth(2).check()
            bar = page.get_by_role("region", name="Selection")
            expect(bar).to_contain_text("2 selected")
            page.screenshot(path=tmp_path / "selection.png")
            assert tab.barriers() == []
            bar.get_by_label("as").select_option("edl")
            with page.expect_download() as download:
                bar.get_by_role("button", name="Export").click()
            lines = Path(download.value.path()).read_text().splitlines()
            assert sum(line.startswith("* FROM CLIP NAME") for line in lines) == 2
            page.reload()
            expect(bar.get_by_label("as")).to_have_value("edl")
            desk.register.take("grant/acme/*/editor/service:acme/editor")
            bar.get_by_role("button", name="Export").click()
            expect(bar.get_by_role("alert")).to_contain_text("no role that may do this")
            bar.get_by_role("button", name="Clear").click()
            expect(bar).to_be_hidden()
        with visit(browser, base) as tab:
            page = signed_in(tab, desk.keys["viewer"], "/?q=red")
            expect(page.locator(".hit").first).to_be_visible()
            assert page.locator("#selection, .pick").count() == 0
            assert page.get_by_role("link", name="Dead letters").count() == 0
            tab.go("/dead-letters")
            expect(page.get_by_text("403 Forbidden")).to_be_visible()


def test_keys_lead_through_hits_until_they_are_switched_off(tab: Visit) -> None:
    page = tab.go("/?q=red")
    focused = "[...document.querySelectorAll('.hit')].indexOf(document.activeElement.closest('.hit'))"
    places = []
    for key in ("j", "j", "k", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
        places.append(page.evaluate(focused))
    columns = places.pop() - 1
    assert (places, columns > 1) == ([0, 1, 0, 1], True)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Shortcuts")).to_be_visible()
    assert tab.barriers() == []
    page.get_by_label("Single keys work").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    for key in ("?", "/", "v"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.reload()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") != "q"


def test_waiting_and_no_answer_are_seen(tab: Visit, tmp_path: Path) -> None:
    page = tab.go("/")
    held = threading.Event()
    page.route("**/?q=red", lambda route: held.set())
    page.get_by_label("Search footage").fill("red")
    expect(page.locator("#content[aria-busy=true]")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Searching")
    page.screenshot(path=tmp_path / "loading.png")
    assert held.is_set()
    page.unroute_all()
    tab.context.set_offline(True)
    page.get_by_label("Search footage").fill("red green")
    expect(page.get_by_role("heading", name="No answer")).to_be_visible()
    page.screenshot(path=tmp_path / "offline.png")
    assert tab.barriers() == []
    tab.context.set_offline(False)
    # It tries again by itself.
    expect(page.locator(".hit").first).to_be_visible()
    tab.complaints = [text for text in tab.complaints if "ERR_INTERNET_DISCONNECTED" not in text]


def test_the_player_opens_at_the_moment_and_follows_lanes_and_table(browser: Browser, address: str) -> None:
    for script in (False, True):
        with visit(browser, address, script=script) as tab:
            page = tab.go("/?q=red+label:show=pilot")
            hit = page.locator(".hit", has_text="shots").first
            begins_s = float(parse_qs(urlsplit(hit.locator(".open").get_attribute("href") or "").query)["t"][0])
            hit.locator(".open").click()
            video = page.locator("video")
            expect(video).to_have_js_property("readyState", 4)
            assert video.evaluate("video => video.currentTime") == pytest.approx(begins_s, abs=0.01)
    with visit(browser, address) as tab:
        page = tab.go("/assets/acme/shots?q=red")
        video = page.locator("video")
        expect(video).to_have_js_property("readyState", 4)
        hits = page.get_by_role("navigation", name="Hits in this asset").get_by_role("listitem").get_by_role("link")
        starts = [float(it.get_attribute("data-start") or "nan") for it in hits.all()]
        assert page.locator("#lanes .hits rect:not(.ground)").count() == len(starts) > 1
        for key, start in (("n", starts[0]), ("n", starts[1]), ("p", starts[0]), ("p", starts[-1])):
            page.keyboard.press(key)
            page.wait_for_function(f"() => Math.abs(document.querySelector('video').currentTime - {start}) < 0.1")
        assert tab.barriers() == []
        row = page.locator("tr[data-start]").nth(3)
        row.locator(".open").click()
        expect(row).to_have_attribute("aria-current", "time")
        assert video.evaluate("video => video.currentTime") == float(row.get_attribute("data-start") or "nan")
        box = page.locator("#lanes").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)
        page.wait_for_function("() => Math.abs(document.querySelector('video').currentTime - 6) < 0.1")
        expect(page.locator("#playhead")).to_have_attribute("x1", re.compile(r"^(49|50)"))


def test_footage_that_does_not_play_is_explained(browser: Browser, address: str) -> None:
    with visit(browser, address) as tab:
        tab.page.route("**/media*", lambda route: route.fulfill(body=b"no video", content_type="video/mp4"))
        page = tab.go("/assets/acme/shots")
        expect(page.get_by_role("alert")).to_contain_text("does not know its container or its codec")
        assert tab.barriers() == []
        tab.page.unroute_all()
        page = tab.go("/assets/acme/gone")
        expect(page.get_by_role("alert")).to_contain_text("The footage cannot be read.")


def test_a_dead_letter_is_replayed_by_its_button(browser: Browser, address: str) -> None:
    with visit(browser, address, script=False) as tab:
        page = tab.go("/dead-letters")
        page.get_by_role("button", name="Replay the letter of broken at plan").click()
        expect(page.get_by_role("status").filter(has_text="to be processed again")).to_be_visible()
        expect(page.get_by_role("row", name="broken")).to_contain_text("replaying")
        assert page.get_by_role("button", name="Replay").count() == 0


def test_search_works_without_a_script(browser: Browser, address: str) -> None:
    with visit(browser, address, script=False) as tab:
        page = tab.go("/")
        page.get_by_label("Search footage").fill("red label:show=pilot")
        page.get_by_role("button", name="Search").click()
        expect(page.locator(".hit").first).to_be_visible()
        page.get_by_role("link", name="table").click()
        expect(page.get_by_role("table")).to_be_visible()
        assert page.get_by_label("Search footage").input_value() == "red label:show=pilot"
        page = tab.go("/assets/acme/shots?t=6&q=red")
        expect(page.get_by_text("strong or fair hit")).to_be_visible()
        expect(page.locator("#playhead")).to_have_attribute("x1", "50.0%")


def test_names_of_strangers_are_text(tab: Visit) -> None:
    page = tab.go("/?q=red")
    shown = page.locator(".asset", has_text="onerror").first
    expect(shown).to_have_text("<img src=x onerror=alert(1)>?")
    assert page.locator("img[src=x]").count() == 0
    typed = "<script>alert(1)</script>"
    page = tab.go(f"/?q={typed}")
    assert page.get_by_label("Search footage").input_value() == typed


def test_who_may_not_search_is_told_so(browser: Browser, stores: Path, tmp_path: Path) -> None:
    with opened(stores, tmp_path / "own") as desk:
        desk.give("auditor", AccessRole.AUDITOR)
        desk.give("viewer", AccessRole.VIEWER)
        with visit(browser, str(desk.client.base_url)) as tab:
            page = tab.go("/?q=red&view=table")
            page.screenshot(path=tmp_path / "nobody.png")
            expect(page.get_by_text("401 Unauthorized")).to_be_visible()
            assert tab.barriers() == []
            for name, shown in (("auditor", page.get_by_text("403 Forbidden")), ("viewer", page.get_by_role("table"))):
                page.get_by_role("link", name="Sign in").first.click()
                page.get_by_label("Key", exact=True).fill(desk.keys[name])
                page.get_by_role("button", name="Sign in").click()
                expect(shown).to_be_visible()
                page.screenshot(path=tmp_path / f"{name}.png")
                assert tab.barriers() == []
                page.get_by_role("link", name=f"service:acme/{name}").click()
                page.get_by_role("button", name="Sign out").click()
                tab.go("/?q=red&view=table")
