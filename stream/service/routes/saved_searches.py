"""Searches that a caller keeps under a name."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from stream.service.kept_searches import forget_search, keep_search, own_searches
from stream.service.path_segments import whole
from stream.service.schemas.problems import ProblemOut
from stream.service.schemas.saved_searches import SavedSearchesOut, SavedSearchIn, SavedSearchOut
from stream.service.service import Service

_PATH = "/saved-searches/{name}"
_Name = Annotated[str, Path(min_length=1, max_length=200, description="Any text; a slash in it is `%2F`.")]


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/saved-searches")
    def saved_searches(request: Request) -> SavedSearchesOut:
        """The caller's own, by name."""
        return own_searches(service, request)

    @routes.put(_PATH, responses={409: {"model": ProblemOut}})
    def save_search(request: Request, name: _Name, search: SavedSearchIn) -> SavedSearchOut:
        """Keep a search, in place of one with the same name."""
        keep_search(service, request, whole(name), search)
        return SavedSearchOut(name=whole(name), search=search)

    @routes.delete(_PATH, status_code=204, responses={404: {"model": ProblemOut}})
    def remove_search(request: Request, name: _Name) -> Response:
        """Forget a search."""
        forget_search(service, request, whole(name))
        return Response(status_code=204)
