"""Uploads from the page. What sends them is a module over the same addresses that programs use."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from stream.access.actions import Action
from stream.service.caller import Caller
from stream.service.page.pages import Pages
from stream.service.page.upload_view import DEFAULT_PROJECT, UploadPlace, shown_uploads
from stream.service.problems import absent
from stream.service.service import Service, taken_uploads
from stream.service.viewing import own_uploads, seen_tenants

_Tenant = Annotated[str | None, Query(min_length=1, max_length=200)]


def add_uploads(routes: APIRouter, service: Service, pages: Pages) -> None:
    @routes.get("/uploads")
    def uploads(request: Request, tenant: _Tenant = None) -> Response:
        """The caller's uploads, and a form for more into a tenant; without one, which tenants there are."""
        found = own_uploads(service, request).uploads
        caller = service.callers.of(request.headers)
        names = _tenants(service, request, caller)
        chosen = tenant or (names[0] if len(names) == 1 else None)
        place = None if chosen is None else UploadPlace.of(caller.access, chosen)
        if chosen is not None and place is None:
            raise absent()
        return pages.page(
            "uploads",
            request,
            caller,
            tenants=names,
            place=place,
            rows=shown_uploads(found),
            most_bytes=taken_uploads(service).limits.most_bytes,
            default_project=DEFAULT_PROJECT,
        )


def _tenants(service: Service, request: Request, caller: Caller) -> list[str]:
    """Where the caller may publish."""
    scopes = caller.access.scopes(Action.PUBLISH)
    if scopes is not None:
        return sorted({name for name, _ in scopes})
    return seen_tenants(service, request, caller) or ["default"]
