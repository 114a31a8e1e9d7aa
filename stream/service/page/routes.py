"""The addresses of the page. Each answers from what the API answers from, so rights and audit are the same."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from jinja2 import Environment
from pydantic import ValidationError
from starlette.responses import HTMLResponse, Response

from stream.access.actions import Action
from stream.errors import StageError
from stream.service.bodies import picture_body
from stream.service.browsers import SIGN_IN
from stream.service.caller import Caller
from stream.service.page.asset_view import MOST_MOMENTS, AssetPage
from stream.service.page.box import KEYS
from stream.service.page.errors import page_route
from stream.service.page.facet_view import FacetsView
from stream.service.page.files import MEDIA_TYPES, PageFiles
from stream.service.page.state import MOST_CHARACTERS, SearchState
from stream.service.page.templates import environment
from stream.service.page.views import AnswerView, Chip, chips
from stream.service.path_segments import AssetName, TenantName
from stream.service.problems import Problem, absent, body_of
from stream.service.schemas.search import FacetsIn, SearchIn
from stream.service.searching import answered, counted
from stream.service.service import Service
from stream.service.viewing import viewed_asset

_HERE = Path(__file__).parent
_YEAR_S = 365 * 86_400
_Second = Annotated[float, Query(ge=0, le=1e9)]
_Since = Annotated[float | None, Query(ge=0, le=1e9, alias="from")]
Asked = TypeVar("Asked", SearchIn, FacetsIn)
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
            "exports": caller is not None and caller.access.scopes(Action.EXPORT) != frozenset(),
            "token": caller.session.token if caller and caller.session else None,
        }
        blank: dict[str, Any] = {"state": SearchState(), "chips": []}
        html = template.render({**shared, **blank, **values})
        return HTMLResponse(html, status, {"content-security-policy": POLICY})

    def _caller(self, request: Request) -> Caller | None:
        try:
            return self._service.callers.of(request.headers)
        except (Problem, StageError):
            return None

    def error(self, request: Request, problem: Problem) -> Response:
        """The problem in words, with the box as it was asked."""
        state = SearchState(q=request.query_params.get("q", "")[:MOST_CHARACTERS])
        response = self.page(
            "error",
            request,
            self._caller(request),
            status=problem.status,
            problem=body_of(problem),
            phrase=HTTPStatus(problem.status).phrase,
            again=_own_address(request),
            state=state,
            chips=chips(state),
        )
        response.headers.update(problem.headers)
        return response


def wants_page(request: Request) -> bool:
    """Whether a browser goes there for a person, at an address that is not the API's."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")


def page_router(service: Service, pages: Pages) -> APIRouter:
    """All addresses of the page over `service`."""
    routes = APIRouter(route_class=page_route(pages.error), include_in_schema=False)

    @routes.get("/")
    def search(request: Request) -> Response:
        """The search page in the state that its address says."""
        caller = service.callers.of(request.headers)
        state = SearchState.of(request.query_params)
        answer = None
        if state.asks:
            answer = AnswerView.of(answered(service, request, _validated(SearchIn, state.asked())), state)
        return pages.page("search", request, caller, state=state, chips=chips(state), answer=answer, picture=False)

    @routes.post("/")
    def search_by_picture(request: Request, picture: Annotated[bytes, Depends(picture_body(service))]) -> Response:
        """Moments that look like the picture that is the body; the filters are those of the address."""
        caller = service.callers.of(request.headers)
        state = replace(SearchState.of(request.query_params), like=None)
        asked = {name: value for name, value in state.asked().items() if name != "q"}
        answer = AnswerView.of(answered(service, request, _validated(SearchIn, asked), picture), state)
        shown = [Chip("like a picture", state.url()), *chips(state)]
        return pages.page("search", request, caller, state=state, chips=shown, answer=answer, picture=True)

    @routes.get("/facets")
    def facets(request: Request) -> Response:
        """Counts for the state that the address says; the search page shows them beside its results."""
        caller = service.callers.of(request.headers)
        state = SearchState.of(request.query_params)
        found = counted(service, request, _validated(FacetsIn, state.narrowed()))
        view = FacetsView.of(found, state)
        return pages.page("facets", request, caller, state=state, chips=chips(state), facets=view)

    @routes.get("/assets/{tenant}/{asset_id}")
    def asset(
        request: Request, tenant: TenantName, asset_id: AssetName, t: _Second = 0.0, since: _Since = None
    ) -> Response:
        """An asset with its player, which opens at second `t`, and its lanes."""
        caller = service.callers.of(request.headers)
        detail = viewed_asset(service, request, tenant, asset_id, space=None, since=since, limit=MOST_MOMENTS)
        playable = caller.access.may(Action.PLAY, tenant, detail.asset.project)
        return pages.page("asset", request, caller, view=AssetPage.of(detail, t, playable=playable))

    @routes.get("/static/{version}/{name}")
    def static(version: str, name: str) -> Response:
        """A file of the page. Its address names what is in it, and it is nobody's secret."""
        data = pages.files.files.get(name)
        if data is None or version != pages.files.version:
            raise absent()
        headers = {"cache-control": f"public, max-age={_YEAR_S}, immutable"}
        return Response(data, media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)

    return routes


def _validated(model: type[Asked], parameters: Mapping[str, Any]) -> Asked:
    """As the API takes it. Raises `Problem` (`bad_filter`)."""
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        # Where and what kind, without what was sent.
        said = "; ".join(f"`{item['loc'][0]}`: {item['msg']}" for item in error.errors()[:5])
        raise Problem(400, said, code="bad_filter") from None


def _own_address(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
