"""The page of `/sign-in`: a form, or who is signed in. It needs no script."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from stream.errors import Unavailable
from stream.service.browsers import SIGN_IN, Browsers
from stream.service.caller import LOCAL_ADMIN, Caller
from stream.service.page.pages import Pages, is_roleless

_NOTHING = dict.fromkeys(
    ("principal", "person", "token", "local", "has_role", "contact", "refused", "next", "provider", "end_session")
)


@dataclass(frozen=True, slots=True)
class SignInPages:
    pages: Pages
    browsers: Browsers

    def form(
        self, request: Request, after: str, status: int = 200, *, refused: str | None = None, over: bool = False
    ) -> Response:
        """`after`: the path to go on to; `refused`: why nobody was signed in; `over`: somebody has just signed out."""
        provider = self.browsers.provider
        return self._page(
            request,
            None,
            status,
            refused=refused,
            next=after,
            provider=provider.name if provider is not None else None,
            end_session=self._end_session() if over else None,
        )

    def account(self, request: Request, caller: Caller) -> Response:
        """Who is signed in, and whether they may do anything."""
        session = caller.session
        return self._page(
            request,
            caller,
            200,
            principal=caller.access.principal,
            person=session.who.name if session else None,
            token=session.token if session else None,
            local=caller.access.principal == LOCAL_ADMIN,
            has_role=not is_roleless(caller),
            contact=self.browsers.contact,
        )

    def _end_session(self) -> str | None:
        browsers = self.browsers
        if browsers.provider is None or browsers.origin.public is None:
            return None
        try:
            return browsers.provider.end_session_url(browsers.origin.public + SIGN_IN)
        # It is an offer only: the session here has ended.
        except Unavailable:
            return None

    def _page(self, request: Request, caller: Caller | None, status: int, **values: Any) -> Response:
        return self.pages.page("sign_in", request, caller, status=status, **(_NOTHING | values))
