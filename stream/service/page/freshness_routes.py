"""How fresh search is and was, and which stage is the bottleneck."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from stream.access.actions import Action
from stream.freshness.bottleneck import bottleneck
from stream.service.caller import Caller
from stream.service.freshness_history import SAMPLE_S, FreshnessSample, TenantWaiting
from stream.service.page.freshness_view import FreshnessLine
from stream.service.page.pages import Pages
from stream.service.page.plots import LagPlot, StageBars
from stream.service.schemas.search import FreshnessOut
from stream.service.service import Service
from stream.service.viewing import proven_fresh, seen_tenants, whole_tenants

_Tenant = Annotated[str | None, Query(min_length=1, max_length=200)]


def add_freshness(routes: APIRouter, service: Service, pages: Pages) -> None:
    @routes.get("/freshness")
    def freshness(request: Request, tenant: _Tenant = None) -> Response:
        """Of a tenant; without one, which tenants there are."""
        caller = service.callers.of(request.headers)
        names = seen_tenants(service, request, caller)
        chosen = tenant or (names[0] if len(names) == 1 else None)
        values: dict[str, Any] = {"tenants": names, "tenant": chosen, "plot": None, **_stages(service, caller)}
        if chosen is not None:
            found = proven_fresh(service, request, chosen)
            values["fresh"] = FreshnessLine.of(found)
            if _sees_all(caller, chosen):
                samples = [*service.history.samples(), _now(found, chosen)]
                values["plot"] = LagPlot.of(samples, chosen, SAMPLE_S)
        return pages.page("freshness_page", request, caller, **values)


def _sees_all(caller: Caller, tenant: str) -> bool:
    """Samples are of whole tenants: who may see some of its projects must not learn of the others."""
    scopes = caller.access.scopes(Action.SEARCH)
    return scopes is None or (tenant, None) in scopes


def _now(found: FreshnessOut, tenant: str) -> FreshnessSample:
    proven = found.unknown is None
    if not found.pending_assets:
        return FreshnessSample(found.as_of_ms, proven=proven)
    waiting = TenantWaiting(found.pending[0].published_at_ms, found.pending_assets)
    return FreshnessSample(found.as_of_ms, {tenant: waiting}, proven=proven)


def _stages(service: Service, caller: Caller) -> dict[str, Any]:
    """What an exporter says is of all tenants together, so it is for who operates the service of one as a whole."""
    operates = caller.access.everything or bool(whole_tenants(caller))
    snapshot = service.history.stages() if operates else None
    worst = None if snapshot is None else bottleneck(snapshot)
    bars = None if snapshot is None else StageBars.of(snapshot, worst)
    return {"operates": operates, "watched": service.history.watches_stages, "bars": bars}
