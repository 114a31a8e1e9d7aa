"""Search, and what the moments are like that it can find."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from stream.service.schemas.facets import FacetsOut
from stream.service.schemas.problems import ProblemOut
from stream.service.schemas.search import AnswerOut, FacetsIn, SearchIn
from stream.service.searching import answered, counted
from stream.service.service import Service


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/search", responses={400: {"model": ProblemOut}})
    def search(request: Request, asked: Annotated[SearchIn, Query()]) -> AnswerOut:
        """Moments that show or mention what is asked for, best first, of what the caller may see."""
        return answered(service, request, asked)

    @routes.get("/facets", responses={400: {"model": ProblemOut}})
    def facets(request: Request, asked: Annotated[FacetsIn, Query()]) -> FacetsOut:
        """How many moments have which tags, labels, kinds, projects and scores of moderation: of all that the filters
        keep, or with `q` or `like` of the best thousand for the query. Tenants are those that the caller may see.
        """
        return counted(service, request, asked)
