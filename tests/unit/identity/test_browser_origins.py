"""Which requests are a browser's own, which addresses are ours, and where a browser may be sent on to."""

import pytest

from stream.identity.browser_origins import BrowserOrigin, local_path, public_origin

HERE = BrowserOrigin(None, frozenset({"127.0.0.1", "::1", "localhost"}))
PUBLIC = BrowserOrigin("https://search.example.com", HERE.hosts)
LOCAL_HOST = {"host": "127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("at", "headers", "ours"),
    [
        (HERE, LOCAL_HOST | {"sec-fetch-site": "same-origin"}, True),
        (HERE, LOCAL_HOST | {"origin": "http://127.0.0.1:8080"}, True),
        (HERE, {"host": "[::1]:8080", "origin": "http://[::1]:8080"}, True),
        (HERE, LOCAL_HOST | {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8080"}, True),
        (HERE, LOCAL_HOST, False),
        (HERE, LOCAL_HOST | {"sec-fetch-site": "cross-site"}, False),
        (HERE, LOCAL_HOST | {"sec-fetch-site": "same-site"}, False),
        (HERE, LOCAL_HOST | {"sec-fetch-site": "none"}, False),
        (HERE, LOCAL_HOST | {"origin": "http://127.0.0.1:9090"}, False),
        (HERE, LOCAL_HOST | {"origin": "null"}, False),
        (HERE, LOCAL_HOST | {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8080"}, False),
        # A name that somebody let lead to this machine.
        (HERE, {"host": "evil.example", "sec-fetch-site": "same-origin", "origin": "http://evil.example"}, False),
        # A proxy passes its own name on.
        (PUBLIC, LOCAL_HOST | {"origin": "https://search.example.com"}, True),
        (PUBLIC, LOCAL_HOST | {"origin": "https://search.example.com.evil.example"}, False),
        (PUBLIC, LOCAL_HOST | {"origin": "http://search.example.com"}, False),
        (PUBLIC, LOCAL_HOST | {"origin": "http://127.0.0.1:8080"}, False),
    ],
)
def test_only_our_own_pages_may_change_something(at: BrowserOrigin, headers: dict[str, str], ours: bool) -> None:
    assert at.is_ours(headers) == ours


@pytest.mark.parametrize(
    ("site", "mode", "to", "may"),
    [
        ("none", "navigate", "document", True),
        ("same-origin", "cors", "empty", True),
        ("cross-site", "navigate", "document", True),
        ("cross-site", "navigate", "iframe", False),
        ("cross-site", "no-cors", "image", False),
        ("same-site", "cors", "empty", False),
    ],
)
def test_other_sites_may_link_and_nothing_else(site: str, mode: str, to: str, may: bool) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": to}
    assert HERE.may_read(headers) == may


@pytest.mark.parametrize("path", ["/", "/search?q=a+red+bus&group=asset#top", "/a//b", "/%2F%2Fevil.example"])
def test_a_path_of_ours_is_followed(path: str) -> None:
    assert local_path(path, "/sign-in") == path


@pytest.mark.parametrize(
    "path",
    [
        *(None, "", "search", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/a\\b"),
        *("https://evil.example", "javascript:alert(1)", " //evil.example", "/\t/evil.example", "/\n/evil.example"),
        *("/a\r\nset-cookie: x=y", "/a b", "/ä", "/" + "a" * 2_000),
    ],
)
def test_no_other_address_is_followed(path: str | None) -> None:
    assert local_path(path, "/sign-in") == "/sign-in"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://search.example.com", "https://search.example.com"),
        ("https://Search.Example.com:443/", "https://search.example.com"),
        ("https://search.example.com:8443", "https://search.example.com:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://search.example.com", None),
        ("https://search.example.com/rushes", None),
        ("https://search.example.com?x", None),
        ("https://ana@search.example.com", None),
        ("https://search.example.com:x", None),
        ("search.example.com", None),
        ("https://", None),
    ],
)
def test_a_public_address_is_an_origin(text: str, origin: str | None) -> None:
    assert public_origin(text) == origin


def test_cookies_are_bound_to_the_host_where_there_is_tls() -> None:
    assert PUBLIC.set_cookie("rushes", "x") == "__Host-rushes=x; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert HERE.set_cookie("rushes", "", max_age_s=0) == "rushes=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rushes=a", "a"),
        ('broken"; {x}=y; rushes=a', "a"),
        ("rushes=", None),
        ("not-rushes=a", None),
        ("__Host-rushes=a", None),
        ("x=" + "y" * 9_000 + "; rushes=a", None),
    ],
)
def test_our_cookie_is_found_among_those_of_others(text: str, value: str | None) -> None:
    assert HERE.read_cookie("rushes", {"cookie": text}) == value
