"""A real Chromium for tests of the page: what it logs and refuses fails the test, and axe looks for barriers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from deploy.browser import AXE, find
from deploy.promtool import default_cache

Scheme = Literal["light", "dark"]
DESKTOP, PHONE = (1280, 860), (390, 844)
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def provided() -> tuple[Path, str]:
    """The browser, and axe as text. Skips on a laptop where there is none, and fails where `CI=true`."""
    browser, axe = find(), AXE.find(default_cache())
    if browser is None or axe is None:
        reason = "there is no Chromium or no axe-core here: run `python -m deploy.browser`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return browser, axe.read_text()


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser, headless."""
    program, _ = provided()
    # Beside other tests a page may take longer than the usual 5 s.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        # Its sandbox needs rights that root of a container does not give; pages here are our own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A tab. `complaints`: errors on its console, violations of the policy among them, and exceptions of modules."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.context = context
        self.base = base
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._log)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page

    def barriers(self) -> list[str]:
        """What axe finds on the page as it stands."""
        _, axe = provided()
        self.page.evaluate(axe)
        found: Any = self.page.evaluate(
            "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", _RULES
        )
        return [
            f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def overflows(self) -> bool:
        """Whether anything has to be pushed aside to be read: the page, or on a phone a table on it."""
        wider = "part => part.checkVisibility() && part.scrollWidth > part.clientWidth"
        parts = f"matchMedia('(max-width: {PHONE[0]}px)').matches ? 'html, .sheet' : 'html'"
        return bool(self.page.evaluate(f"[...document.querySelectorAll({parts})].some({wider})"))

    def _log(self, message: ConsoleMessage) -> None:
        # Chromium logs each answer of 4xx and 5xx, which tests of errors want.
        if message.type == "error" and "the server responded with a status of" not in message.text:
            self.complaints.append(message.text)


@contextmanager
def visit(
    browser: Browser,
    base: str,
    size: tuple[int, int] = DESKTOP,
    scheme: Scheme = "light",
    *,
    script: bool = True,
    headers: dict[str, str] | None = None,
) -> Iterator[Visit]:
    """A tab of a browser that has been nowhere. Complaints fail the test when it ends."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        java_script_enabled=script,
        reduced_motion="reduce",
        extra_http_headers=headers or {},
    )
    found = Visit(context, base)
    yield found
    context.close()
    if found.complaints:
        pytest.fail("\n".join(found.complaints))


def signed_in(tab: Visit, key: str, path: str) -> Page:
    """At a page, with this key."""
    page = tab.go(f"/sign-in?{urlencode({'next': path})}")
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(tab.base + path)
    return page
