"""Signing in at a provider: a good one, and one for each way in which a provider or a visitor can lie."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from stream.access.actions import AccessRole
from stream.access.records import Grant, Team
from stream.audit.files import event_files
from stream.clock import SystemClock
from stream.identity.oidc_provider import REFETCH_S, OidcSettings, valid_issuer
from stream.identity.sign_in_flow import FLOW_S
from tests.support.oidc_server import CLIENT, Claims, Provider, confused, provider, signed
from tests.support.service_desk import NOW_MS, Desk, opened

PUBLIC = "https://search.example.com"
BACK = f"{PUBLIC}/sign-in/callback"
AGAIN = "The sign-in was not completed. Try again."


def settings(issuer: str, **other: Any) -> OidcSettings:
    return OidcSettings(issuer, CLIENT, BACK, **other)


@pytest.fixture
def idp() -> Iterator[Provider]:
    with provider(NOW_MS // 1000) as found:
        yield found


@pytest.fixture
def desk(idp: Provider, tmp_path: Path) -> Iterator[Desk]:
    oidc = settings(idp.issuer, client_secret="s3cret", groups_claim="groups")
    with opened(tmp_path, tmp_path, public_url=PUBLIC, oidc=oidc, contact="media-desk@example.com") as found:
        yield found


class Browser:
    """A person's browser: it keeps cookies by hand, as the client here speaks no TLS to the service."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **query: str) -> httpx.Response:
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.desk.client.get(path, params=query or None, headers={"cookie": sent} if sent else {})
        self.desk.client.cookies.clear()
        for text in answer.headers.get_list("set-cookie"):
            name, _, value = text.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def begin(self, idp: Provider, after: str = "/v1/me") -> dict[str, str]:
        """What the browser brings to the provider; the provider takes its nonce."""
        answer = self.get("/sign-in/provider", next=after)
        assert answer.status_code == 303
        asked = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        idp.nonce = asked["nonce"]
        return asked

    def sign_in(self, idp: Provider) -> httpx.Response:
        asked = self.begin(idp)
        return self.get("/sign-in/callback", code="a code", state=asked["state"])


@pytest.fixture
def browser(desk: Desk) -> Browser:
    return Browser(desk)


def assert_refused(desk: Desk, answer: httpx.Response) -> None:
    """The person is told the same whatever was wrong, and nobody is signed in."""
    assert answer.status_code == 401
    assert AGAIN in answer.text
    assert not any("__Host-rushes=" in text for text in answer.headers.get_list("set-cookie"))
    assert desk.events()[-1]["status_code"] == "sign_in_refused"


def test_a_person_signs_in(desk: Desk, idp: Provider, browser: Browser) -> None:
    asked = browser.begin(idp, "/v1/me?x=y")
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == BACK
    answer = browser.get("/sign-in/callback", code="a code", state=asked["state"], iss=idp.issuer)
    assert (answer.status_code, answer.headers["location"]) == (303, "/v1/me?x=y")
    assert len(idp.forms[0]["code_verifier"]) == 43
    assert idp.forms[0]["code"] == "a code"
    assert browser.get("/v1/me").json()["principal"] == f"oidc:{idp.issuer}#ana"
    # Only a path: what the person wanted cannot lead elsewhere.
    browser.begin(idp, "//evil.example")
    assert all("evil.example" not in value for value in browser.cookies.values())


def test_a_person_without_a_role_is_told_whom_to_ask(desk: Desk, idp: Provider, browser: Browser) -> None:
    browser.sign_in(idp)
    page = browser.get("/sign-in").text
    assert "You have no role yet" in page
    assert "media-desk@example.com" in page
    assert f"oidc:{idp.issuer}#ana" in page
    assert "Ana &lt;b&gt;Lyst&lt;/b&gt;" in page
    assert browser.get("/v1/assets", tenant="acme").status_code == 403
    # Where they wanted to go says the same, and so does the first page, which asks for nothing that they may not see.
    first = browser.get("/").text
    assert all(word in first for word in ("no role yet", "media-desk@example.com", f"oidc:{idp.issuer}#ana"))
    assert "/facets" not in first
    refused = browser.get("/", q="red")
    assert refused.status_code == 403
    assert all(word in refused.text for word in ("no role yet", "media-desk@example.com", f"oidc:{idp.issuer}#ana"))
    giver = {"given_by": "os:root", "given_at_ms": NOW_MS}
    desk.register.put(Grant(tenant="acme", role=AccessRole.VIEWER, holder=f"oidc:{idp.issuer}#ana", **giver))
    assert browser.get("/v1/assets", tenant="acme").status_code == 200
    assert "no role yet" not in browser.get("/sign-in").text
    assert "/facets" in browser.get("/").text


def test_a_group_of_the_provider_can_be_in_a_team(desk: Desk, idp: Provider, browser: Browser) -> None:
    giver = {"given_by": "os:root", "given_at_ms": NOW_MS}
    desk.register.put(Team(tenant="acme", name="edit", members=(f"oidc-group:{idp.issuer}#cutters",)))
    desk.register.put(Grant(tenant="acme", role=AccessRole.EDITOR, holder="team:edit", **giver))
    browser.sign_in(idp)
    assert browser.get("/v1/me").json()["actions"]["export"] == [{"tenant": "acme", "project": None}]


def test_nothing_of_the_person_but_their_subject_is_in_the_trail(
    desk: Desk, idp: Provider, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    browser.sign_in(idp)
    (admitted, over) = desk.events()[-2:]
    assert (admitted["class_uid"], admitted["status"], over["status"]) == (3002, "Admitted", "Success")
    assert over["user"] == {"uid": f"oidc:{idp.issuer}#ana", "type_id": 1}
    text = b"".join(path.read_bytes() for path in event_files(desk.trail)).decode() + caplog.text
    for secret in ("Lyst", "ana@example.com", "a code", "s3cret", *browser.cookies.values()):
        assert not secret or secret not in text


Lie = Callable[[Provider, Claims], str | None]
OTHER = ECKey.generate_key("P-256", {"kid": "one"})
RSA = RSAKey.generate_key(2048, {"kid": "one"})
LIES: dict[str, Lie] = {
    "wrong issuer": lambda idp, good: signed(good | {"iss": "https://evil.example"}, idp.key),
    "wrong audience": lambda idp, good: signed(good | {"aud": "another"}, idp.key),
    "wrong party": lambda idp, good: signed(good | {"azp": "another"}, idp.key),
    "nonce of another": lambda idp, good: signed(good | {"nonce": "another"}, idp.key),
    "expired": lambda idp, good: signed(good | {"exp": idp.now_s - 61}, idp.key),
    "not yet": lambda idp, good: signed(good | {"nbf": idp.now_s + 61}, idp.key),
    "no signature": lambda idp, good: signed(good, None),
    "algorithm confusion": lambda idp, good: confused(good, idp.key),
    "key of nobody": lambda idp, good: signed(good, OTHER, kid="one"),
    "key of another type": lambda idp, good: signed(good, RSA, "RS256", kid="one"),
    "no token": lambda idp, good: None,
}


@pytest.mark.parametrize("lie", LIES)
def test_a_provider_that_lies_signs_nobody_in(desk: Desk, idp: Provider, browser: Browser, lie: str) -> None:
    idp.token = LIES[lie]
    assert_refused(desk, browser.sign_in(idp))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "invalid_client",
            "(HTTP 400, invalid_client: it does not know the client id, or takes another secret or none)",
        ),
        ("<script>", "(HTTP 400)"),
    ],
)
def test_why_the_provider_gives_no_token_is_in_the_log(
    desk: Desk, idp: Provider, browser: Browser, caplog: pytest.LogCaptureFixture, said: str, why: str
) -> None:
    idp.token, idp.error = lambda _provider, _claims: None, said
    assert_refused(desk, browser.sign_in(idp))
    assert f"a sign-in was refused: the provider gave no ID token {why}" in caplog.messages


def test_keys_that_were_changed_are_asked_for_again_but_not_by_everybody(
    desk: Desk, idp: Provider, browser: Browser
) -> None:
    assert browser.sign_in(idp).status_code == 303
    asked = idp.requests.count("/keys")
    idp.key = ECKey.generate_key("P-256", {"kid": "two"})
    idp.publish(idp.key)
    assert_refused(desk, browser.sign_in(idp))
    assert idp.requests.count("/keys") == asked
    desk.clock.advance(REFETCH_S)
    idp.now_s += int(REFETCH_S)
    assert browser.sign_in(idp).status_code == 303
    assert idp.requests.count("/keys") == asked + 1
    idp.token = LIES["key of nobody"]
    for _ in range(3):
        assert_refused(desk, browser.sign_in(idp))
    assert idp.requests.count("/keys") == asked + 1


def test_a_key_without_a_name_is_found(desk: Desk, idp: Provider, browser: Browser) -> None:
    idp.publish(RSA, OTHER, idp.key)
    idp.token = lambda idp, good: signed(good, idp.key)
    assert browser.sign_in(idp).status_code == 303


def test_an_answer_counts_for_the_browser_that_asked_and_once(desk: Desk, idp: Provider, browser: Browser) -> None:
    asked = browser.begin(idp)
    other = Browser(desk)
    assert_refused(desk, other.get("/sign-in/callback", code="a code", state=asked["state"]))
    other.begin(idp)
    assert_refused(desk, other.get("/sign-in/callback", code="a code", state=asked["state"]))
    idp.nonce, kept = asked["nonce"], dict(browser.cookies)
    assert browser.get("/sign-in/callback", code="a code", state=asked["state"]).status_code == 303
    assert browser.cookies["__Host-rushes-sign-in"] == ""
    # Somebody who copied everything that the browser sent.
    thief = Browser(desk)
    thief.cookies = kept
    assert_refused(desk, thief.get("/sign-in/callback", code="a code", state=asked["state"]))


def test_a_sign_in_has_to_end_in_time_and_as_it_began(desk: Desk, idp: Provider, browser: Browser) -> None:
    asked = browser.begin(idp)
    sealed = browser.cookies["__Host-rushes-sign-in"]
    for changed in (sealed[:-1], sealed + "x", "", "a.b.c.d", "ä"):
        browser.cookies = {"__Host-rushes-sign-in": changed} if changed.isascii() else {}
        assert_refused(desk, browser.get("/sign-in/callback", code="a code", state=asked["state"]))
    browser.cookies = {"__Host-rushes-sign-in": sealed}
    desk.clock.advance(FLOW_S)
    assert_refused(desk, browser.get("/sign-in/callback", code="a code", state=asked["state"]))


def test_an_answer_of_another_provider_is_not_sent_to_ours(desk: Desk, idp: Provider, browser: Browser) -> None:
    asked = browser.begin(idp)
    answer = browser.get("/sign-in/callback", code="a code", state=asked["state"], iss="https://evil.example")
    assert_refused(desk, answer)
    asked = browser.begin(idp)
    assert_refused(desk, browser.get("/sign-in/callback", error="access_denied", state=asked["state"]))
    assert idp.forms == []


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"authorization_endpoint": None},
    ],
)
def test_a_provider_that_describes_itself_badly_is_not_used(
    desk: Desk, idp: Provider, browser: Browser, metadata: Claims
) -> None:
    idp.metadata = metadata
    answer = browser.get("/sign-in/provider")
    assert answer.status_code == 503
    assert "Nobody can sign in there now" in answer.text
    assert browser.cookies == {}


def test_who_signs_out_here_is_offered_to_sign_out_there(desk: Desk, idp: Provider, browser: Browser) -> None:
    browser.sign_in(idp)
    assert f"Sign in with {urlsplit(idp.issuer).netloc}" in Browser(desk).get("/sign-in").text
    over = Browser(desk).get("/sign-in", over="true").text
    found = re.search(r'href="([^"]+/over\?[^"]+)"', over)
    assert found
    query = parse_qs(urlsplit(found[1].replace("&amp;", "&")).query)
    assert query == {"client_id": [CLIENT], "post_logout_redirect_uri": [f"{PUBLIC}/sign-in"]}


@pytest.mark.parametrize(
    ("issuer", "valid"),
    [
        ("https://idp.example", True),
        ("https://idp.example/realms/acme", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://idp.example", False),
        ("https://idp.example?x", False),
        ("https://idp.example#x", False),
        ("https://ana@idp.example", False),
        ("ftp://idp.example", False),
        ("https://" + "x" * 200, False),
        ("", False),
    ],
)
def test_an_issuer_speaks_tls_or_is_this_machine(issuer: str, valid: bool) -> None:
    assert valid_issuer(issuer) == valid


# Of the provider itself, which uses parts of Authlib that are going to move.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_provider_that_others_wrote_signs_people_in(tmp_path: Path) -> None:
    import oidc_provider_mock

    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        oidc, now_ms = settings(issuer, client_secret="any"), SystemClock().now_ms()
        with opened(tmp_path, tmp_path, public_url=PUBLIC, oidc=oidc, now_ms=now_ms) as desk:
            browser = Browser(desk)
            there = browser.get("/sign-in/provider", next="/v1/me").headers["location"]
            back = httpx.post(there, data={"sub": "ana"}).headers["location"]
            assert back.startswith(BACK)
            answer = browser.get("/sign-in/callback", **dict(parse_qsl(urlsplit(back).query)))
            assert (answer.status_code, answer.headers["location"]) == (303, "/v1/me")
            assert browser.get("/v1/me").json()["principal"] == f"oidc:{issuer}#ana"
