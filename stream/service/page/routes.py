"""The addresses of the page. Each answers from what the API answers from, so rights and audit are the same."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from stream.access.actions import Action
from stream.service.audit_reading import AskedEvents, read_trail
from stream.service.bodies import picture_body
from stream.service.kept_searches import own_searches
from stream.service.page.access_routes import add_access
from stream.service.page.access_view import HolderName
from stream.service.page.asset_view import MOST_MOMENTS, AssetPage
from stream.service.page.assets_view import AssetTable, RefusedRow
from stream.service.page.completion import completions
from stream.service.page.dead_letter_routes import add_dead_letters
from stream.service.page.errors import page_route
from stream.service.page.facet_view import FacetsView
from stream.service.page.files import MEDIA_TYPES
from stream.service.page.freshness_routes import add_freshness
from stream.service.page.freshness_view import FreshnessLine, utc
from stream.service.page.job_routes import add_jobs
from stream.service.page.pages import Pages, is_roleless
from stream.service.page.saved_routes import add_saved_searches
from stream.service.page.saved_view import SavedLink
from stream.service.page.state import SearchState
from stream.service.page.upload_routes import add_uploads
from stream.service.page.views import AnswerView, Chip, chips
from stream.service.path_segments import AssetName, TenantName
from stream.service.problems import Problem, absent
from stream.service.publishing import refused_publications
from stream.service.schemas.audit import EventStatus
from stream.service.schemas.search import MOST_HITS, FacetsIn, SearchIn
from stream.service.searching import answered, counted, found_within
from stream.service.service import Service
from stream.service.viewing import all_assets, proven_fresh, seen_tenants, viewed_asset

_YEAR_S = 365 * 86_400
_MOST_EVENTS = 200
_Tenant = Annotated[str | None, Query(min_length=1, max_length=200)]
_Typed = Annotated[str, Query(max_length=2_000)]
_Second = Annotated[float, Query(ge=0, le=1e9)]
_Since = Annotated[float | None, Query(ge=0, le=1e9, alias="from")]
Asked = TypeVar("Asked", SearchIn, FacetsIn)


def page_router(service: Service, pages: Pages) -> APIRouter:
    """All addresses of the page over `service`."""
    routes = APIRouter(route_class=page_route(pages.error), include_in_schema=False)
    _add_search(routes, service, pages)
    _add_assets(routes, service, pages)
    add_dead_letters(routes, service, pages)
    add_freshness(routes, service, pages)
    add_jobs(routes, service, pages)
    add_saved_searches(routes, service)
    add_uploads(routes, service, pages)
    _add_audit(routes, service, pages)
    add_access(routes, service, pages)
    _add_files(routes, pages)
    return routes


def _add_search(routes: APIRouter, service: Service, pages: Pages) -> None:
    @routes.get("/")
    def search(request: Request) -> Response:
        """The search page in the state that its address says."""
        caller = service.callers.of(request.headers)
        state = SearchState.of(request.query_params)
        shown: dict[str, Any] = {"state": state, "chips": chips(state), "picture": False, "answer": None, "saved": []}
        searches = caller.access.scopes(Action.SEARCH) != frozenset()
        shown |= {"searches": searches, "roleless": is_roleless(caller), "contact": service.browsers.contact}
        if state.asks:
            asked = _validated(SearchIn, state.asked())
            shown["answer"] = AnswerView.of(answered(service, request, asked, telling=True), state)
            shown["just_saved"] = "saved" in request.query_params
        elif searches:
            shown["saved"] = list(map(SavedLink.of, own_searches(service, request).saved_searches))
        return pages.page("search", request, caller, **shown)

    @routes.post("/")
    def search_by_picture(request: Request, picture: Annotated[bytes, Depends(picture_body(service))]) -> Response:
        """Moments that look like the picture that is the body; the filters are those of the address."""
        caller = service.callers.of(request.headers)
        given = SearchState.of(request.query_params)
        # Words and likeness give way to the picture.
        state = replace(given, q=str(replace(given.box, words="")), like=None)
        asked = {name: value for name, value in state.asked().items() if name != "q"}
        found = answered(service, request, _validated(SearchIn, asked), picture, telling=True)
        answer = AnswerView.of(found, state)
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

    @routes.get("/completions")
    def completed(request: Request, key: Annotated[str, Query(max_length=20)]) -> Response:
        """What filter `key` can be completed to, within the other filters of the box that the address says."""
        box = SearchState.of(request.query_params).box
        asked = {name: value for name, value in box.filters().items() if name in FacetsIn.model_fields}
        return JSONResponse(completions(key, counted(service, request, _validated(FacetsIn, asked))))


def _add_assets(routes: APIRouter, service: Service, pages: Pages) -> None:
    @routes.get("/assets")
    def assets(request: Request, tenant: _Tenant = None) -> Response:
        """The assets of a tenant with their status; without one, which tenants there are."""
        caller = service.callers.of(request.headers)
        names = seen_tenants(service, request, caller)
        chosen = tenant or (names[0] if len(names) == 1 else None)
        values: dict[str, Any] = {"tenants": names, "tenant": chosen}
        if chosen is not None:
            values["fresh"] = FreshnessLine.of(proven_fresh(service, request, chosen))
            values["table"] = AssetTable.of(all_assets(service, request, chosen))
            values["refused"] = list(map(RefusedRow, refused_publications(service, caller, chosen)))
        return pages.page("assets", request, caller, **values)

    @routes.get("/assets/{tenant}/{asset_id}")
    def asset(
        request: Request, tenant: TenantName, asset_id: AssetName, t: _Second = 0.0, since: _Since = None
    ) -> Response:
        """An asset with its player, which opens at second `t`, and its lanes."""
        caller = service.callers.of(request.headers)
        detail = viewed_asset(service, request, tenant, asset_id, space=None, since=since, limit=MOST_MOMENTS)
        state = SearchState.of(request.query_params)
        found = None
        if state.asks and detail.moments:
            asked = _validated(SearchIn, {**state.narrowed(), "limit": MOST_HITS, "group": "moment"})
            found = found_within(service, request, (tenant, asset_id), asked)
        playable = caller.access.may(Action.PLAY, tenant, detail.asset.project)
        view = AssetPage.of(detail, t, playable=playable, asked=state, found=found)
        return pages.page("asset", request, caller, view=view, state=state)


def _add_audit(routes: APIRouter, service: Service, pages: Pages) -> None:
    @routes.get("/audit")
    def audit(
        request: Request,
        status: EventStatus | None = None,
        actor: _Typed = "",
        about: _Typed = "",
        since: _Typed = "",
    ) -> Response:
        """The newest events of the trail, for its auditors. `since`: a day."""
        caller = service.callers.of(request.headers)
        # A form sends what was left empty, too.
        asked = AskedEvents(_MOST_EVENTS, status, actor or None, about or None, _day_ms(since))
        found = read_trail(service, request, asked)
        typed = {name: value for name, value in (("actor", actor), ("about", about), ("since", since)) if value}
        shown: dict[str, Any] = {"found": found, "statuses": get_args(EventStatus), "chosen": status, "typed": typed}
        return pages.page("audit", request, caller, utc=utc, holder_name=HolderName.of, **shown)


def _add_files(routes: APIRouter, pages: Pages) -> None:
    @routes.get("/static/{version}/{name}")
    def static(version: str, name: str) -> Response:
        """A file of the page. Its address names what is in it, and it is nobody's secret."""
        data = pages.files.files.get(name)
        if data is None or version != pages.files.version:
            raise absent()
        headers = {"cache-control": f"public, max-age={_YEAR_S}, immutable"}
        return Response(data, media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)


def _day_ms(text: str) -> int | None:
    """When a day begins (UTC). Raises `Problem` (`bad_filter`)."""
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000) if text else None
    except (ValueError, OverflowError):
        raise Problem(400, "`since`: write a day as 2026-01-31.", code="bad_filter") from None


def _validated(model: type[Asked], parameters: Mapping[str, Any]) -> Asked:
    """As the API takes it. Raises `Problem` (`bad_filter`)."""
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        # Where and what kind, without what was sent.
        said = "; ".join(f"`{item['loc'][0]}`: {item['msg']}" for item in error.errors()[:5])
        raise Problem(400, said, code="bad_filter") from None
