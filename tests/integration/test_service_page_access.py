"""The page of roles and keys in a real Chromium: what an administrator does there, with a script and without."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from stream.access.actions import AccessRole
from stream.access.records import Grant, Team
from stream.identity.browser_sessions import BrowserSessions, SignedIn
from tests.support.browser import DESKTOP, PHONE, Visit, chromium, visit
from tests.support.service_desk import NOW_MS, Desk, opened

BOSS = "oidc:https://idp.example#boss"
ANA = "oidc:https://idp.example#ana"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path, tmp_path) as found:
        found.give("admin", AccessRole.ADMIN)
        found.give("red admin", AccessRole.ADMIN, project="red")
        found.give("stranger", AccessRole.ADMIN, "globex")
        found.give("viewer", AccessRole.VIEWER, project="red", days=30)
        found.register.put(Team(tenant="acme", name="cutters", members=(ANA,)))
        for holder, role in ((BOSS, AccessRole.ADMIN), ("team:cutters", AccessRole.EDITOR)):
            found.register.put(
                Grant(tenant="acme", role=role, holder=holder, given_by="os:root", given_at_ms=NOW_MS, project=None)
            )
        yield found


def signed_in(desk: Desk, tab: Visit, tmp_path: Path, path: str = "/access") -> Page:
    """As the person who administers the tenant."""
    sessions = BrowserSessions(tmp_path / "sessions.db", desk.clock)
    secret = sessions.begin(SignedIn(BOSS))
    sessions.close()
    tab.context.add_cookies([{"name": "rushes", "value": secret, "url": tab.base}])
    return tab.go(path)


def row(page: Page, name: str) -> Locator:
    """Of whoever has this name, in the table of roles."""
    table = page.get_by_role("region", name="Table of roles")
    return table.get_by_role("row", name=re.compile(rf"^{name}\b"))


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_roles_are_given_and_taken_and_a_key_ends(browser: Browser, desk: Desk, tmp_path: Path, script: bool) -> None:
    with visit(browser, str(desk.client.base_url), script=script) as tab:
        page = signed_in(desk, tab, tmp_path)
        expect(row(page, "ana")).to_contain_text("editor in all projects · through team cutters")
        assert row(page, "stranger").count() == 0
        give = page.get_by_role("form", name="Give a role")
        give.get_by_label("To whom").fill("four no scheme")
        give.get_by_label("Project").fill("no project!")
        give.get_by_role("button", name="Give").click()
        expect(give.get_by_role("alert")).to_contain_text("project")
        expect(give.get_by_role("alert")).to_contain_text("oidc:ISSUER#SUBJECT for a person")
        expect(give.get_by_role("alert")).not_to_contain_text("A-Za")
        assert give.get_by_label("To whom").input_value() == "four no scheme"
        give.get_by_label("To whom").fill("service:acme/newsroom")
        give.get_by_label("Project").fill("red")
        give.get_by_label("Role").select_option("editor")
        give.get_by_label("For days").fill("2")
        give.get_by_role("button", name="Give").click()
        expect(page.get_by_role("status").filter(has_text="The role was given.")).to_be_visible()
        expect(row(page, "newsroom")).to_contain_text("editor in red · until 2027-01-17")
        page.get_by_role("button", name="Take viewer in red from viewer").click()
        expect(row(page, "viewer")).to_contain_text("no role: may do nothing")
        # Nobody locks themself out.
        assert page.get_by_role("button", name=re.compile("from boss")).count() == 0
        page.get_by_label("Revoke key viewer of viewer").click()
        page.get_by_role("button", name="Revoke for good").first.click()
        expect(page.get_by_role("status").filter(has_text="revoked")).to_be_visible()
        page.get_by_text("cutters").last.click()
        team = page.get_by_role("form", name="Team cutters")
        team.get_by_label("Members").fill(f"{ANA}\nservice:acme/newsroom")
        team.get_by_role("button", name="Save").click()
        expect(row(page, "newsroom")).to_contain_text("through team cutters")
    assert desk.get("/v1/me", "viewer").status_code == 401
    changed = [event for event in desk.events() if event["actor"]["user"]["uid"] == BOSS]
    assert changed


def test_a_key_is_shown_once_and_works(browser: Browser, desk: Desk, tmp_path: Path) -> None:
    with visit(browser, str(desk.client.base_url)) as tab:
        tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = signed_in(desk, tab, tmp_path)
        for look, size, scheme in (("light", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "dark")):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.screenshot(path=tmp_path / f"access-{look}.png", full_page=True)
            assert tab.barriers() == []
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        make = page.get_by_role("form", name="Create a key")
        make.get_by_label("Program").fill("admin")
        make.get_by_label("viewer").check()
        make.get_by_role("button", name="Create").click()
        secret = page.get_by_label("The key").input_value()
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.screenshot(path=tmp_path / "new-key.png")
        assert tab.barriers() == []
        page.get_by_role("link", name="Back to access").click()
        expect(page.get_by_role("region", name="Table of keys")).to_contain_text("viewer")
        assert secret not in page.content()
    assert desk.get("/v1/access/acme", secret).status_code == 403
    assert desk.get("/v1/me", secret).status_code == 200


def test_an_administrator_of_a_project_sees_and_gives_there_alone(browser: Browser, desk: Desk) -> None:
    with visit(browser, str(desk.client.base_url)) as tab:
        page = tab.go("/sign-in?next=/access")
        page.get_by_label("Key", exact=True).fill(desk.keys["red admin"])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Access to acme")
        rows = page.get_by_role("region", name="Table of roles").locator("tbody th > span:first-child")
        assert rows.all_inner_texts() == ["red-admin", "viewer"]
        give = page.get_by_role("form", name="Give a role")
        assert give.get_by_label("Project").locator("option").all_inner_texts() == ["red"]
        assert "auditor" not in give.get_by_label("Role").inner_text()
        assert page.get_by_role("form", name="Create a key").count() == 0
        assert tab.barriers() == []
        tab.go("/access?tenant=globex")
        expect(page.get_by_text("404 Not Found")).to_be_visible()


def test_a_form_of_elsewhere_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    sessions = BrowserSessions(tmp_path / "sessions.db", desk.clock)
    secret = sessions.begin(SignedIn(BOSS))
    found = sessions.find(secret)
    sessions.close()
    assert found is not None
    base = str(desk.client.base_url).rstrip("/")
    ours = {"cookie": f"rushes={secret}", "origin": base, "sec-fetch-site": "same-origin"}
    asked = {"tenant": "acme", "role": "viewer", "holder": "team:thieves", "token": found.token}

    def post(headers: dict[str, str], **changed: str) -> httpx.Response:
        return desk.client.post("/access/give", data={**asked, **changed}, headers=headers)

    forged = (
        post({**ours, "origin": "http://evil.example", "sec-fetch-site": "cross-site"}),
        post({**ours, "origin": "null", "sec-fetch-site": "cross-site"}),
        post(ours, token="0" * 64),
        post({"cookie": ours["cookie"]}),
    )
    assert [answer.status_code for answer in forged] == [403] * 4
    assert not any(getattr(it, "holder", "") == "team:thieves" for it in desk.register.register().records())
    assert post(ours).status_code == 303
    assert any(getattr(it, "holder", "") == "team:thieves" for it in desk.register.register().records())
