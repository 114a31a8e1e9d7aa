"""Signing in at a provider of OpenID Connect: the browser goes there with a challenge, and comes back with a code."""

import hmac
import logging
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind
from stream.errors import Unavailable
from stream.identity.browser_origins import local_path
from stream.identity.browser_sessions import SignedIn
from stream.identity.oidc_provider import OidcProvider, SignInRefused
from stream.identity.sign_in_flow import FLOW_S, SignInFlow
from stream.service.browsers import COOKIE, FROM_PROVIDER, SIGN_IN, TO_PROVIDER
from stream.service.problems import Problem
from stream.service.service import Service
from stream.service.sign_in_page import SignInPages

_log = logging.getLogger(__name__)
_FLOW_COOKIE = "rushes-sign-in"
_SUBJECT = AccessSubject("sign-in")
Text = Annotated[str, Query(max_length=8_192)]


def add_provider_routes(routes: APIRouter, service: Service, provider: OidcProvider, shown: SignInPages) -> None:
    browsers, callers = service.browsers, service.callers

    @routes.get(TO_PROVIDER)
    def to_provider(request: Request, next: Text = "") -> Response:  # noqa: A002 - the name in the address
        """Send the browser to the provider."""
        flow = SignInFlow.begin(callers.now_ms(), local_path(next, SIGN_IN))
        try:
            address = provider.authorization_url(flow)
        except Unavailable as away:
            return _not_now(shown, request, away)
        kept = browsers.origin.set_cookie(_FLOW_COOKIE, flow.sealed(callers.pepper()), max_age_s=FLOW_S)
        return Response(status_code=303, headers={"location": address, "set-cookie": kept})

    @routes.get(FROM_PROVIDER)
    def from_provider(request: Request, code: Text = "", state: Text = "", iss: Text = "") -> Response:
        """A new session for whom the provider names. Whatever is wrong, the person is told the same."""
        try:
            flow = _flow_of(service, request, state)
            who = _who(service, provider, flow, code, iss)
        except SignInRefused as refused:
            _log.warning("a sign-in was refused: %s", refused)
            problem = Problem(401, "The sign-in was not completed. Try again.", code="sign_in_refused")
            told = service.turned_away(request, Activity.SIGNED_IN, _SUBJECT, problem)
            return _done(service, shown.form(request, SIGN_IN, told.status, refused=told.detail))
        except Unavailable as away:
            return _not_now(shown, request, away)
        actor = Actor(who.principal, ActorKind.PERSON)
        with service.audited(request, Activity.SIGNED_IN, _SUBJECT, actor):
            secret = browsers.sessions.begin(who, replaces=browsers.secret_of(request.headers))
        answer = Response(status_code=303, headers={"location": flow.after})
        answer.headers.append("set-cookie", browsers.origin.set_cookie(COOKIE, secret))
        return _done(service, answer)


def _flow_of(service: Service, request: Request, state: str) -> SignInFlow:
    """What this browser began. Raises `SignInRefused`."""
    kept = service.browsers.origin.read_cookie(_FLOW_COOKIE, request.headers)
    callers = service.callers
    flow = None if kept is None else SignInFlow.unsealed(kept, callers.pepper(), callers.now_ms())
    if flow is None:
        raise SignInRefused("the browser began none, or too long ago")
    # Or somebody could have a person finish a sign-in that is not theirs.
    if not hmac.compare_digest(state.encode(), flow.state.encode()):
        raise SignInRefused("another state")
    return flow


def _who(service: Service, provider: OidcProvider, flow: SignInFlow, code: str, iss: str) -> SignedIn:
    """Raises `SignInRefused`."""
    # RFC 9207: an answer of another provider, whose code we must not send to ours.
    if iss and iss != provider.settings.issuer:
        raise SignInRefused("an answer of another provider")
    if not code:
        raise SignInRefused("the provider sent no code")
    who = provider.signed_in(code, flow)
    if not service.browsers.sessions.first_use(flow.nonce, flow.began_ms + FLOW_S * 1000):
        raise SignInRefused("this answer was used before")
    return who


def _not_now(shown: SignInPages, request: Request, away: Unavailable) -> Response:
    """A person reads this, not a program."""
    _log.warning("%s (%s)", away.message, away.code)
    return shown.form(request, SIGN_IN, 503, refused="Nobody can sign in there now. Try again later.")


def _done(service: Service, answer: Response) -> Response:
    """The sign-in is over, however it ended."""
    answer.headers.append("set-cookie", service.browsers.origin.set_cookie(_FLOW_COOKIE, "", max_age_s=0))
    return answer
