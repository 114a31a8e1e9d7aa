"""The status of assets, and one asset with what search shows of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AfterValidator

from stream.service.bodies import documented, json_body
from stream.service.path_segments import AssetName, TenantName, whole
from stream.service.publishing import published, viewed_publication
from stream.service.schemas.assets import AssetDetailOut, AssetsIn, AssetsOut
from stream.service.schemas.problems import ProblemOut
from stream.service.schemas.publications import PublicationOut, PublishedOut, PublishIn
from stream.service.service import Service
from stream.service.viewing import listed_assets, viewed_asset

Name = Annotated[str | None, Query(min_length=1, max_length=200)]
MOST_MOMENTS = 10_000
_Publication = Annotated[str, Path(min_length=1, max_length=200), AfterValidator(whole)]
_Limit = Annotated[int, Query(ge=1, le=MOST_MOMENTS, description="Of moments.")]
_Second = Annotated[float | None, Query(ge=0, le=1e9, alias="from", description="Only moments that end after it.")]


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/assets", responses={400: {"model": ProblemOut}})
    def assets(request: Request, asked: Annotated[AssetsIn, Query()]) -> AssetsOut:
        """The status of a tenant's assets, of the projects that the caller may see. `next` is a cursor to the rest."""
        return listed_assets(service, request, asked)

    refused: dict[int | str, dict[str, Any]] = {code: {"model": ProblemOut} for code in (400, 404, 501)}

    @routes.post("/assets", status_code=202, responses=refused, openapi_extra=documented(PublishIn))
    def publish(
        request: Request, asked: Annotated[PublishIn | None, Depends(json_body(service, PublishIn))]
    ) -> PublishedOut:
        """Publish footage where it lies, for a tenant in which the caller has the role `editor` or `operator`. It is
        kept before it is answered, and then processed; the status of the asset tells how far. The place has to be one
        that the tenant may name, and that the service may read.
        """
        return published(service, request, asked)

    @routes.get("/publications/{publication_id}", responses={404: {"model": ProblemOut}})
    def publication(request: Request, publication_id: _Publication) -> PublicationOut:
        """What became of footage that was published over HTTP, for a day; also why it was refused."""
        return viewed_publication(service, request, publication_id)

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
