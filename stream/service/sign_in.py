"""Signing in and out by forms that need no script."""

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind
from stream.identity.browser_origins import has_token, local_path
from stream.identity.browser_sessions import SignedIn, uid_of
from stream.service.browsers import COOKIE, SIGN_IN, SIGN_OUT
from stream.service.forms import Form, forged
from stream.service.problems import Problem
from stream.service.provider_sign_in import add_provider_routes
from stream.service.service import Service
from stream.service.sign_in_page import SignInPages


def sign_in_router(service: Service, shown: SignInPages) -> APIRouter:
    """`/sign-in` and `/sign-out`."""
    routes = APIRouter(include_in_schema=False)
    if (provider := service.browsers.provider) is not None:
        add_provider_routes(routes, service, provider, shown)

    @routes.get(SIGN_IN)
    def form(request: Request, next: str = "", over: bool = False) -> Response:  # noqa: A002 - names in the address
        """The form, or who is signed in."""
        try:
            caller = service.callers.of(request.headers)
        except Problem:
            return shown.form(request, local_path(next, SIGN_IN), over=over)
        return shown.account(request, caller)

    @routes.post(SIGN_IN)
    def sign_in(request: Request, fields: Form) -> Response:
        """A new session for who has a key. The key comes in the body alone: addresses are kept in too many places."""
        subject = AccessSubject("sign-in")
        target = local_path(fields.get("next"), SIGN_IN)
        try:
            key = service.callers.key_of(fields.get("key", "").strip())
        except Problem as problem:
            told = service.turned_away(request, Activity.SIGNED_IN, subject, problem)
            return shown.form(request, target, told.status, refused=told.detail)
        actor, browsers = Actor(key.principal, ActorKind.SERVICE, session=key.key_id), service.browsers
        with service.audited(request, Activity.SIGNED_IN, subject, actor):
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
                raise forged()
            actor = Actor(session.who.principal, _kind(session.who), session=uid_of(secret))
            with service.audited(request, Activity.SIGNED_OUT, AccessSubject("sign-out"), actor):
                browsers.sessions.end(secret)
        return _sent_on(f"{SIGN_IN}?over=true", browsers.origin.set_cookie(COOKIE, "", max_age_s=0))

    return routes


def _kind(who: SignedIn) -> ActorKind:
    return ActorKind.PERSON if who.key_digest is None else ActorKind.SERVICE


def _sent_on(path: str, cookie: str) -> Response:
    # 303: the browser asks for the page with GET, and a reload sends no form again.
    return RedirectResponse(path, 303, {"set-cookie": cookie})
