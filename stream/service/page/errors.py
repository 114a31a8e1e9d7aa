"""Errors as pages: the same words as the API's problem details, for people."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from stream.errors import StageError, unexpected
from stream.service.problems import Problem, problem_of

_log = logging.getLogger(__name__)

Answer = Callable[[Request], Coroutine[Any, Any, Response]]
ErrorPage = Callable[[Request, Problem], Response]


def page_route(error_page: ErrorPage) -> type[APIRoute]:
    """A class of routes whose errors are pages. A defect is one too, which tells nothing of itself."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Answer:
            answer = super().get_route_handler()

            async def with_error_page(request: Request) -> Response:
                try:
                    return await answer(request)
                except Exception as error:  # noqa: BLE001 - a person gets no data in place of a page
                    return error_page(request, _problem(error))

            return with_error_page

    return PageRoute


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, StageError):
        return problem_of(error)
    if isinstance(error, RequestValidationError):
        said = "; ".join(f"`{item['loc'][-1]}`: {item['msg']}" for item in error.errors()[:5])
        return Problem(422, said, code="invalid_request")
    found = unexpected(error)
    _log.error("%s", found.message)
    return problem_of(found)
