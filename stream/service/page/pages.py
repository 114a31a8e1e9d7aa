"""Pages as answers: templates with what each of them has, and errors in words."""

from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment
from starlette.responses import HTMLResponse, Response

from stream.access.actions import Action
from stream.errors import StageError
from stream.service.browsers import SIGN_IN
from stream.service.caller import Caller
from stream.service.page.access_view import HolderName
from stream.service.page.box import KEYS
from stream.service.page.files import PageFiles
from stream.service.page.state import MOST_CHARACTERS, SearchState
from stream.service.page.templates import environment
from stream.service.page.views import chips
from stream.service.problems import Problem, body_of
from stream.service.service import Service
from stream.service.viewing import whole_tenants

_HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Nothing comes from elsewhere, nothing inline runs, and no text becomes markup in the browser."""


class Pages:
    """Renders templates with what every page has."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._environment: Environment = environment(_HERE / "templates")
        self.files = PageFiles.of(_HERE / "static")

    def page(
        self, name: str, request: Request, caller: Caller | None, *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A template with `values`, for a caller; None for nobody who is signed in."""
        template = self._environment.get_template(f"{name}.html.j2")
        sign_in = f"{SIGN_IN}?{urlencode({'next': _own_address(request)})}"
        shared = {
            "file": self.files.url,
            "keys": KEYS,
            "sign_in": sign_in,
            "caller": caller.access.principal if caller else None,
            "caller_name": HolderName.of(caller.access.principal).name if caller else None,
            "exports": caller is not None and caller.access.scopes(Action.EXPORT) != frozenset(),
            "audits": caller is not None and caller.access.scopes(Action.READ_AUDIT) != frozenset(),
            "publishes": self._publishes(caller),
            "manages": caller is not None and caller.access.scopes(Action.MANAGE) != frozenset(),
            "replays": caller is not None and bool(whole_tenants(caller) or caller.access.everything),
            "token": caller.session.token if caller and caller.session else None,
        }
        blank: dict[str, Any] = {"state": SearchState(), "chips": [], "just_saved": False}
        html = template.render({**shared, **blank, **values})
        # `no-referrer` would make browsers send `Origin: null` with our own forms.
        return HTMLResponse(html, status, {"content-security-policy": POLICY, "referrer-policy": "same-origin"})

    def _publishes(self, caller: Caller | None) -> bool:
        """Whether uploads are something for them."""
        taken = self._service.uploads is not None
        return taken and caller is not None and caller.access.scopes(Action.PUBLISH) != frozenset()

    def _caller(self, request: Request) -> Caller | None:
        try:
            return self._service.callers.of(request.headers)
        except (Problem, StageError):
            return None

    def error(self, request: Request, problem: Problem) -> Response:
        """The problem in words, with the box as it was asked."""
        state = SearchState(q=request.query_params.get("q", "")[:MOST_CHARACTERS])
        caller = self._caller(request)
        response = self.page(
            "error",
            request,
            caller,
            roleless=caller is not None and is_roleless(caller),
            contact=self._service.browsers.contact,
            status=problem.status,
            problem=body_of(problem),
            phrase=HTTPStatus(problem.status).phrase,
            again=_own_address(request),
            state=state,
            chips=chips(state),
        )
        response.headers.update(problem.headers)
        return response


def is_roleless(caller: Caller) -> bool:
    """Whether they may do nothing at all."""
    return all(caller.access.scopes(action) == frozenset() for action in Action)


def wants_page(request: Request) -> bool:
    """Whether a browser goes there for a person, at an address that is not the API's."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")


def _own_address(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
