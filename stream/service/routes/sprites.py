"""An asset's thumbnails in one picture, with the times of its parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from sinks.query.filters import Filters
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.search.sprites import Sprite, SpritePlan, sprite_of, sprite_plan, sprite_vtt
from stream.service.path_segments import AssetName, TenantName
from stream.service.problems import absent
from stream.service.ranges import is_named
from stream.service.routes.assets import MOST_MOMENTS, Name
from stream.service.routes.moments import LASTING
from stream.service.schemas.moments import asset_path
from stream.service.schemas.problems import ProblemOut
from stream.service.searching import scopes_of
from stream.service.service import Service

_Version = Annotated[str | None, Query(max_length=64, description="As `sprite.vtt` says it: then it never changes.")]


@dataclass(frozen=True, slots=True)
class _Shown:
    plan: SpritePlan
    sprite: Sprite
    space: str


def add(routes: APIRouter, service: Service) -> None:
    absences: dict[int | str, dict[str, Any]] = {404: {"model": ProblemOut}}

    @routes.get(
        "/assets/{tenant}/{asset_id}/sprite.jpg",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, **absences},
    )
    def sprite(
        request: Request, tenant: TenantName, asset_id: AssetName, space: Name = None, v: _Version = None
    ) -> Response:
        """Thumbnails of the asset as tiles of one picture; `sprite.vtt` says which is which, and holds its address."""
        with _shown(service, request, tenant, asset_id, space) as found:
            # What somebody keeps for ever must be what its address names.
            same = v == found.plan.digest
            return _answer(request, found.sprite.jpeg, "image/jpeg", found.plan.digest, lasting=same)

    @routes.get(
        "/assets/{tenant}/{asset_id}/sprite.vtt",
        response_class=Response,
        responses={200: {"content": {"text/vtt": {}}}, **absences},
    )
    def sprite_times(request: Request, tenant: TenantName, asset_id: AssetName, space: Name = None) -> Response:
        """WebVTT: which part of `sprite.jpg` shows which time, as players count."""
        with _shown(service, request, tenant, asset_id, space) as found:
            query = urlencode({"space": found.space, "v": found.plan.digest})
            text = sprite_vtt(found.plan, found.sprite.tile, f"{asset_path(tenant, asset_id)}/sprite.jpg?{query}")
            return _answer(request, text.encode(), "text/vtt", found.plan.digest, lasting=False)


@contextmanager
def _shown(service: Service, request: Request, tenant: str, asset_id: str, space: str | None) -> Iterator[_Shown]:
    subject = AccessSubject("sprite", tenant, (service.asset_name(tenant, asset_id),))
    with service.access(request, Action.SEARCH, Activity.PREVIEWED, subject) as (caller, access):
        filters = Filters(tenant=tenant, asset_ids=(asset_id,), scopes=scopes_of(caller, Action.SEARCH))
        with service.searchers.one() as application:
            found = application.moments(space, filters, MOST_MOMENTS)
            if not found.moments:
                raise absent()
            plan = sprite_plan(found.moments, found.space)
            made = service.sprites.of(
                plan.digest, lambda: sprite_of(plan, application.thumbnails(found.space, plan.moment_ids))
            )
        access.count = len(plan.moment_ids)
        yield _Shown(plan, made, found.space)


def _answer(request: Request, body: bytes, media_type: str, digest: str, *, lasting: bool) -> Response:
    headers = {
        "etag": f'"{digest}"',
        "cache-control": LASTING if lasting else "private, no-cache",
        "vary": "Authorization, Cookie",
    }
    if is_named(request.headers.get("if-none-match"), headers["etag"], weak=True):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
