"""One moment and its picture."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from sinks.query.filters import Filters
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.problems import absent
from stream.service.schemas.moments import MomentDetailOut
from stream.service.schemas.problems import ProblemOut
from stream.service.searching import scopes_of
from stream.service.service import Service
from stream.service.viewing import shows_moment, viewed_moment

LASTING = f"private, max-age={365 * 86_400}, immutable"
"""Not for caches that others share: they know nothing of rights."""
_MomentId = Annotated[str, Path(max_length=200)]


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/moments/{moment_id}", responses={404: {"model": ProblemOut}})
    def moment(
        request: Request,
        moment_id: _MomentId,
        space: Annotated[str | None, Query(max_length=200, description="Of the answer that named it.")] = None,
    ) -> MomentDetailOut:
        """A moment with its times, its asset, and the models that made it."""
        return viewed_moment(service, request, moment_id, space)

    @routes.get(
        "/moments/{moment_id}/thumbnail",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, 404: {"model": ProblemOut}},
    )
    def thumbnail(request: Request, moment_id: _MomentId, space: Annotated[str, Query(max_length=200)]) -> Response:
        """The picture of a moment. It never changes: its address names what is in it."""
        subject = AccessSubject("thumbnail", resources=(moment_id,))
        with service.access(request, Action.SEARCH, Activity.PREVIEWED, subject) as (caller, access):
            filters = Filters(scopes=scopes_of(caller, Action.SEARCH))
            with service.searchers.one() as application:
                found = application.thumbnail(space, moment_id, filters)
            if found is None:
                # An id of somebody else gets the answer of an id that never was.
                raise absent()
            shows_moment(service, access, found.tenant, found.asset_id, moment_id)
            headers = {"cache-control": LASTING, "vary": "Authorization, Cookie"}
            return Response(found.jpeg, media_type="image/jpeg", headers=headers)
