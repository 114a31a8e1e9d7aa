"""What the service knows of browsers, and the guard before everything that a browser could be made to change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from stream.errors import StageError
from stream.identity.browser_origins import CSRF_HEADER, SAFE_METHODS, BrowserOrigin, has_token
from stream.identity.browser_sessions import BrowserSession, BrowserSessions
from stream.identity.oidc_provider import OidcProvider
from stream.service.problems import Problem, problem_of, response_of

COOKIE = "rushes"
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
TO_PROVIDER, FROM_PROVIDER = "/sign-in/provider", "/sign-in/callback"
# Forms without script: where they come from is checked here, and their routes check the token in the form.
ACCESS_FORMS = tuple(f"/access/{what}" for what in ("give", "take", "team", "key", "narrow", "revoke"))
SAVED_FORMS = ("/saved-searches", "/saved-searches/forget")
_FORMS = frozenset({SIGN_IN, SIGN_OUT, "/dead-letters/replay", *ACCESS_FORMS, *SAVED_FORMS})


@dataclass(frozen=True, slots=True)
class Browsers:
    """`provider`: of people's identities, if there is one. `contact`: whom to ask for a role, as people are told."""

    origin: BrowserOrigin
    sessions: BrowserSessions
    provider: OidcProvider | None = None
    contact: str | None = None

    def secret_of(self, headers: Mapping[str, str]) -> str | None:
        return self.origin.read_cookie(COOKIE, headers)

    def session_of(self, headers: Mapping[str, str]) -> BrowserSession | None:
        """Raises `Unavailable` (`sessions_unavailable`)."""
        secret = self.secret_of(headers)
        return None if secret is None else self.sessions.find(secret)

    def forged(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a request that changes something could be another site's work."""
        # Browsers send no key by themselves.
        if method in SAFE_METHODS or "authorization" in headers:
            return False
        if path in _FORMS:
            return not self.origin.is_ours(headers)
        secret = self.secret_of(headers)
        if secret is None:
            return False
        return not (self.origin.is_ours(headers) and has_token(secret, headers.get(CSRF_HEADER)))


class OwnRequests:
    """Refuses forged requests before any route sees them, so that no new route can forget to. `refused` writes one to
    the audit trail, and says what to answer.
    """

    def __init__(self, app: ASGIApp, browsers: Browsers, refused: Callable[[Request, Problem], Problem]) -> None:
        self._app = app
        self._browsers = browsers
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._browsers.forged(scope["method"], scope["path"], Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        problem = Problem(403, "This did not come from a page of this service.", code="forged_request")
        try:
            # The trail waits for the disk, and the event loop must not.
            problem = await run_in_threadpool(self._refused, Request(scope), problem)
        except StageError as error:
            problem = problem_of(error)
        await response_of(problem)(scope, receive, send)
