"""The status of assets, and one asset with what search shows of it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from stream.service.path_segments import AssetName, TenantName
from stream.service.schemas.assets import AssetDetailOut, AssetsIn, AssetsOut
from stream.service.schemas.problems import ProblemOut
from stream.service.service import Service
from stream.service.viewing import listed_assets, viewed_asset

Name = Annotated[str | None, Query(min_length=1, max_length=200)]
MOST_MOMENTS = 10_000
_Limit = Annotated[int, Query(ge=1, le=MOST_MOMENTS, description="Of moments.")]
_Second = Annotated[float | None, Query(ge=0, le=1e9, alias="from", description="Only moments that end after it.")]


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/assets", responses={400: {"model": ProblemOut}})
    def assets(request: Request, asked: Annotated[AssetsIn, Query()]) -> AssetsOut:
        """The status of a tenant's assets, of the projects that the caller may see. `next` is a cursor to the rest."""
        return listed_assets(service, request, asked)

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
        return viewed_asset(service, request, tenant, asset_id, space=space, since=since, limit=limit)
