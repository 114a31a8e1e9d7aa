"""Signing in and out by forms that need no script."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request, Response
from jinja2 import Environment, FileSystemLoader, Template, select_autoescape
from starlette.responses import HTMLResponse, RedirectResponse

from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind
from stream.identity.browser_origins import has_token, local_path
from stream.identity.browser_sessions import SignedIn, uid_of
from stream.service.browsers import COOKIE, SIGN_IN, SIGN_OUT
from stream.service.caller import Caller
from stream.service.page.templates import shown
from stream.service.problems import Problem
from stream.service.service import NOBODY, Service, origin_of

_MOST_FORM_BYTES = 8_192
_FOLDER = Path(__file__).parent


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form. Raises `Problem` for one that is too long or has another type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "Send the form of the page.", code="invalid_request")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_FORM_BYTES:
            raise Problem(413, f"A form has at most {_MOST_FORM_BYTES} bytes.", code="invalid_request")
    try:
        return dict(parse_qsl(body.decode("ascii"), strict_parsing=True, max_num_fields=20)) if body else {}
    except ValueError:
        raise Problem(400, "This is no form.", code="invalid_request") from None


Form = Annotated[dict[str, str], Depends(form_of)]


def sign_in_router(service: Service) -> APIRouter:
    """`/sign-in` and `/sign-out`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(SIGN_IN)
    def form(request: Request, next: str = "") -> Response:  # noqa: A002 - the name in the address
        """The form, or who is signed in."""
        try:
            caller = service.callers.of(request.headers)
        except Problem:
            return _page(next=local_path(next, SIGN_IN))
        return _page(caller=caller, has_role=_has_role(caller), token=caller.session.token if caller.session else None)

    @routes.post(SIGN_IN)
    def sign_in(request: Request, fields: Form) -> Response:
        """A new session for who has a key. The key comes in the body alone: addresses are kept in too many places."""
        origin, subject = origin_of(request), AccessSubject("sign-in")
        target = local_path(fields.get("next"), SIGN_IN)
        try:
            key = service.callers.key_of(fields.get("key", "").strip())
        except Problem as problem:
            service.recorder.denied(Activity.SIGNED_IN, subject, NOBODY, origin, problem.code)
            return _page(401, refused=problem.detail, next=target)
        actor, browsers = Actor(key.principal, ActorKind.SERVICE, session=key.key_id), service.browsers
        with service.recorder.access(Activity.SIGNED_IN, subject, actor, origin):
            secret = browsers.sessions.begin(
                SignedIn(key.principal, key_digest=key.digest),
                replaces=browsers.secret_of(request.headers),
                until_ms=key.until_ms,
            )
        return _sent_on(target, browsers.origin.set_cookie(COOKIE, secret))

    @routes.post(SIGN_OUT)
    def sign_out(request: Request, fields: Form) -> Response:
        """Ends the session, also one that has ended by itself."""
        browsers = service.browsers
        secret = browsers.secret_of(request.headers)
        session = browsers.session_of(request.headers)
        if secret is not None and session is not None:
            if not has_token(secret, fields.get("token")):
                raise Problem(403, "This did not come from a page of this service.", code="forged_request")
            actor = Actor(session.who.principal, _kind(session.who), session=uid_of(secret))
            with service.recorder.access(Activity.SIGNED_OUT, AccessSubject("sign-out"), actor, origin_of(request)):
                browsers.sessions.end(secret)
        return _sent_on(SIGN_IN, browsers.origin.set_cookie(COOKIE, "", max_age_s=0))

    return routes


def _kind(who: SignedIn) -> ActorKind:
    return ActorKind.PERSON if who.key_digest is None else ActorKind.SERVICE


def _has_role(caller: Caller) -> bool:
    return any(caller.access.scopes(action) != frozenset() for action in Action)


def _sent_on(path: str, cookie: str) -> Response:
    # 303: the browser asks for the page with GET, and a reload sends no form again.
    return RedirectResponse(path, 303, {"set-cookie": cookie})


def _page(status: int = 200, **values: Any) -> Response:
    template, style = _template()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'"
    headers = {
        "content-security-policy": f"{policy}; base-uri 'none'",
        # `no-referrer` would make browsers send `Origin: null` with our own forms.
        "referrer-policy": "same-origin",
    }
    return HTMLResponse(template.render(style=style, **values), status, headers)


@cache
def _template() -> tuple[Template, str]:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(["html", "j2"]),
        finalize=shown,
        trim_blocks=True,
    )
    return environment.get_template("sign_in.html.j2"), (_FOLDER / "sign_in.css").read_text()
