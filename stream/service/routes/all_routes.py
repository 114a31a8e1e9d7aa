"""All routes over a service."""

from fastapi import APIRouter

from stream.service.routes import (
    access,
    assets,
    audit,
    dead_letters,
    exports,
    footage,
    jobs,
    moments,
    progress,
    rights,
    saved_searches,
    search,
    sprites,
    uploads,
)
from stream.service.schemas.problems import ProblemOut
from stream.service.service import Service

_NOUNS = (
    search,
    saved_searches,
    exports,
    moments,
    assets,
    footage,
    sprites,
    jobs,
    progress,
    dead_letters,
    uploads,
    rights,
    access,
    audit,
)


def router(service: Service) -> APIRouter:
    routes = APIRouter(
        prefix="/v1",
        responses={code: {"model": ProblemOut} for code in (400, 401, 403, 422, 429, 503)},
        # Clients are made of these names, and addresses may change.
        generate_unique_id_function=lambda route: route.name,
    )
    for noun in _NOUNS:
        one = APIRouter(tags=[noun.__name__.rpartition(".")[2]])
        noun.add(one, service)
        routes.include_router(one)
    return routes
