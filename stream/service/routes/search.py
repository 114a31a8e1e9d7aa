"""Search, and the pictures of what it finds."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from sinks.query.filters import Filters
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.problems import absent
from stream.service.schemas.problems import ProblemOut
from stream.service.schemas.search import AnswerOut, SearchIn
from stream.service.searching import answered, scopes_of
from stream.service.service import Service

_YEAR_S = 365 * 86_400


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/search", responses={400: {"model": ProblemOut}})
    def search(request: Request, asked: Annotated[SearchIn, Query()]) -> AnswerOut:
        """Moments that show or mention what is asked for, best first, of what the caller may see."""
        return answered(service, request, asked)

    @routes.get(
        "/moments/{moment_id}/thumbnail",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, 404: {"model": ProblemOut}},
    )
    def thumbnail(request: Request, moment_id: str, space: Annotated[str, Query(max_length=200)]) -> Response:
        """The picture of a moment. It never changes: its address names what is in it."""
        # Cut, as the length of an event is limited and that of a path is not.
        subject = AccessSubject("thumbnail", resources=(moment_id[:200],))
        with service.access(request, Action.SEARCH, Activity.PREVIEWED, subject) as (caller, _):
            filters = Filters(scopes=scopes_of(caller, Action.SEARCH))
            with service.searchers.one() as application:
                found = application.thumbnail(space, moment_id, filters)
            if found is None:
                # An id of somebody else gets the answer of an id that never was.
                raise absent()
            # Not for caches that others share: they know nothing of rights.
            lasting = {"cache-control": f"private, max-age={_YEAR_S}, immutable", "vary": "Authorization"}
            return Response(found, media_type="image/jpeg", headers=lasting)
