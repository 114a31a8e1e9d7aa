"""Signing in with a real Chromium: what it sends by itself is what the service asks for; another site gets nowhere."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from stream.access.actions import AccessRole
from tests.support.browser import PHONE, chromium, visit
from tests.support.http_servers import serving
from tests.support.service_desk import Desk, opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path, tmp_path) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.register.take("grant/acme/*/viewer/service:acme/viewer")
        yield found


@pytest.mark.parametrize("scripts", [True, False], ids=["with script", "without"])
def test_a_person_signs_in_and_out(browser: Browser, desk: Desk, scripts: bool) -> None:
    base = str(desk.client.base_url).rstrip("/")
    with visit(browser, base, PHONE, script=scripts) as tab:
        page = tab.go("/sign-in?next=/sign-in")
        assert not scripts or tab.barriers() == []
        page.get_by_role("textbox", name="Key", exact=True).fill("rsk_nonsense")
        page.get_by_role("button", name="Sign in with a key").click()
        expect(page.get_by_role("alert").first).to_have_text("The key is not valid.")
        page.get_by_role("textbox", name="Key", exact=True).fill(desk.keys["viewer"])
        page.get_by_role("button", name="Sign in with a key").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Signed in")
        expect(page.get_by_text("You have no role yet")).to_be_visible()
        assert not scripts or tab.barriers() == []
        (cookie,) = tab.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert tab.context.cookies() == []
        assert tab.complaints == []


class Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_of_another_origin_cannot_use_the_session(browser: Browser, desk: Desk) -> None:
    base = str(desk.client.base_url).rstrip("/")
    # Another port of this machine: of the same site, so the browser sends the cookie along.
    elsewhere = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    with serving(elsewhere), visit(browser, base) as tab:
        page = tab.go("/sign-in")
        page.get_by_role("textbox", name="Key", exact=True).fill(desk.keys["viewer"])
        page.get_by_role("button", name="Sign in with a key").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Signed in")
        page.goto(f"http://127.0.0.1:{elsewhere.server_port}/")
        kind = {"content-type": "application/x-www-form-urlencoded"}
        ask = {"method": "POST", "credentials": "include", "mode": "no-cors", "headers": kind, "body": "token=x"}
        page.evaluate("([url, ask]) => fetch(url, ask).catch(() => 0)", [f"{base}/sign-out", ask])
        # The browser keeps the answer from that page too.
        assert [text for text in tab.complaints if "NotSameOrigin" not in text] == []
        tab.complaints.clear()
        tab.go("/sign-in")
        expect(page.get_by_role("heading", level=1)).to_have_text("Signed in")
    assert [event["message"] for event in desk.events()][2:] == ["request: sent by another site"]
