"""Searches that a caller keeps under a name."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.path_segments import whole
from stream.service.problems import absent
from stream.service.schemas.problems import ProblemOut
from stream.service.schemas.saved_searches import SavedSearchesOut, SavedSearchIn, SavedSearchOut
from stream.service.service import Service

_PATH = "/saved-searches/{name}"
_Name = Annotated[str, Path(min_length=1, max_length=200, description="Any text; a slash in it is `%2F`.")]
# Names are words of people, as queries are: the trail says that one was saved, and not which.
_ONE = AccessSubject("saved search")


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/saved-searches")
    def saved_searches(request: Request) -> SavedSearchesOut:
        """The caller's own, by name."""
        subject = AccessSubject("saved searches")
        with service.access(request, Action.SEARCH, Activity.LISTED, subject) as (caller, access):
            mine = service.saved.of(caller.access.principal)
            access.count = len(mine)
            return SavedSearchesOut.of(mine)

    @routes.put(_PATH, responses={409: {"model": ProblemOut}})
    def save_search(request: Request, name: _Name, search: SavedSearchIn) -> SavedSearchOut:
        """Keep a search, in place of one with the same name."""
        with service.access(request, Action.SEARCH, Activity.SAVED, _ONE) as (caller, _):
            kept = search.model_dump(mode="json", by_alias=True, exclude_unset=True)
            service.saved.put(caller.access.principal, whole(name), kept)
            return SavedSearchOut(name=whole(name), search=search)

    @routes.delete(_PATH, status_code=204, responses={404: {"model": ProblemOut}})
    def remove_search(request: Request, name: _Name) -> Response:
        """Forget a search."""
        with service.access(request, Action.SEARCH, Activity.REMOVED, _ONE) as (caller, _):
            if not service.saved.remove(caller.access.principal, whole(name)):
                raise absent()
            return Response(status_code=204)
