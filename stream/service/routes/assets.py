"""The status of assets, and one asset with what search shows of it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from sinks.query.filters import Filters
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.events.grid import SECOND_NS
from stream.service.path_segments import AssetName, TenantName
from stream.service.problems import absent
from stream.service.schemas.assets import AssetDetailOut, AssetOut, AssetsOut
from stream.service.schemas.problems import ProblemOut
from stream.service.searching import scopes_of
from stream.service.service import Service

Name = Annotated[str | None, Query(min_length=1, max_length=200)]
MOST_MOMENTS = 10_000
_Limit = Annotated[int, Query(ge=1, le=MOST_MOMENTS, description="Of moments.")]
_Second = Annotated[float | None, Query(ge=0, le=1e9, alias="from", description="Only moments that end after it.")]


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/assets")
    def assets(
        request: Request, tenant: Annotated[str, Query(min_length=1, max_length=200)], project: Name = None
    ) -> AssetsOut:
        """The status of a tenant's assets, of the projects that the caller may see."""
        subject = AccessSubject("assets", tenant)
        with service.access(request, Action.SEARCH, Activity.LISTED, subject) as (caller, access):
            with service.searchers.one() as application:
                views = application.assets(tenant, scopes_of(caller, Action.SEARCH))
            seen = [view for view in views if project in (None, view.project)]
            access.count = len(seen)
            return AssetsOut(assets=[AssetOut.of(view) for view in seen])

    @routes.get("/assets/{tenant}/{asset_id}", responses={404: {"model": ProblemOut}})
    def asset(
        request: Request,
        tenant: TenantName,
        asset_id: AssetName,
        space: Name = None,
        since: _Second = None,
        limit: _Limit = 2_000,
    ) -> AssetDetailOut:
        """The status of an asset, what each stage has done or could not do, and its shots and moments as lanes. A slash
        of its id is sent as `%2F`.
        """
        subject = AccessSubject("asset", tenant, (asset_id,))
        with service.access(request, Action.SEARCH, Activity.VIEWED, subject) as (caller, access):
            scopes = scopes_of(caller, Action.SEARCH)
            with service.searchers.one() as application:
                detail = application.asset(tenant, asset_id, scopes)
                if detail is None:
                    raise absent()
                live = application.live(tenant, asset_id, scopes)
                start_ns = None if since is None else round(since * SECOND_NS)
                filters = Filters(tenant=tenant, asset_ids=(asset_id,), start_ns=start_ns, scopes=scopes)
                # One more than asked tells whether there are more.
                found = application.moments(space, filters, limit + 1) if live else None
            access.count = len(found.moments[:limit]) if found else 0
            return AssetDetailOut.of(detail, live, found, limit)
