"""The status of assets."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.schemas.assets import AssetOut, AssetsOut
from stream.service.service import Service

Name = Annotated[str | None, Query(min_length=1, max_length=200)]


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/assets")
    def assets(
        request: Request, tenant: Annotated[str, Query(min_length=1, max_length=200)], project: Name = None
    ) -> AssetsOut:
        """The status of a tenant's assets, of the projects that the caller may see."""
        subject = AccessSubject("assets", tenant)
        with service.access(request, Action.SEARCH, Activity.LISTED, subject) as (caller, access):
            with service.searchers.one() as application:
                views = application.assets(tenant)
            seen = [
                view
                for view in views
                if caller.access.may(Action.SEARCH, tenant, view.project) and project in (None, view.project)
            ]
            access.count = len(seen)
            return AssetsOut(assets=[AssetOut.of(view) for view in seen])
