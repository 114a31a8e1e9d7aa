"""The page of `/sign-in`: a form, or who is signed in. It needs no script."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from starlette.responses import HTMLResponse

from stream.access.actions import Action
from stream.errors import Unavailable
from stream.service.browsers import SIGN_IN, Browsers
from stream.service.caller import Caller
from stream.service.page.templates import environment

_FOLDER = Path(__file__).parent
_NOTHING = dict.fromkeys(
    ("principal", "name", "token", "has_role", "contact", "refused", "next", "provider", "end_session")
)


def form_page(
    browsers: Browsers, after: str, status: int = 200, *, refused: str | None = None, over: bool = False
) -> HTMLResponse:
    """`after`: the path to go on to; `refused`: why nobody was signed in; `over`: somebody has just signed out."""
    provider = browsers.provider
    return _page(
        status,
        refused=refused,
        next=after,
        provider=provider.name if provider is not None else None,
        end_session=_end_session(browsers) if over else None,
    )


def account_page(browsers: Browsers, caller: Caller) -> HTMLResponse:
    """Who is signed in, and whether they may do anything."""
    session = caller.session
    return _page(
        200,
        principal=caller.access.principal,
        name=session.who.name if session else None,
        token=session.token if session else None,
        has_role=any(caller.access.scopes(action) != frozenset() for action in Action),
        contact=browsers.contact,
    )


def _end_session(browsers: Browsers) -> str | None:
    if browsers.provider is None or browsers.origin.public is None:
        return None
    try:
        return browsers.provider.end_session_url(browsers.origin.public + SIGN_IN)
    # It is an offer only: the session here has ended.
    except Unavailable:
        return None


def _page(status: int, **values: Any) -> HTMLResponse:
    template, style = _template()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'"
    headers = {
        "content-security-policy": f"{policy}; base-uri 'none'",
        # `no-referrer` would make browsers send `Origin: null` with our own forms.
        "referrer-policy": "same-origin",
    }
    return HTMLResponse(template.render(style=style, **(_NOTHING | values)), status, headers)


@cache
def _template() -> tuple[Template, str]:
    return environment(_FOLDER).get_template("sign_in.html.j2"), (_FOLDER / "sign_in.css").read_text()
