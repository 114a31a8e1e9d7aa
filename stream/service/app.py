"""The application: routes, errors as problem details, headers of every answer, health and metrics."""

import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.clock import Clock
from stream.errors import StageError, unexpected
from stream.service import request_ids
from stream.service.bounded_requests import BoundedBodies
from stream.service.browsers import OwnRequests
from stream.service.described import DescribedApplication
from stream.service.page.pages import Pages, wants_page
from stream.service.page.routes import page_router
from stream.service.path_segments import WholeSegments
from stream.service.problems import Problem, absent, problem_of, response_of
from stream.service.refused_keys import RefusedKeys
from stream.service.repeatable_writes import RepeatableWrites, RepeatedAnswer
from stream.service.routes.all_routes import router
from stream.service.safe_headers import SAFE_HEADERS
from stream.service.service import Service
from stream.service.sign_in import sign_in_router
from stream.service.sign_in_page import SignInPages

if TYPE_CHECKING:
    from stream.service.agents import Agents

_log = logging.getLogger(__name__)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_NO_SUCH = "This address takes no such request."
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServiceMetrics:
    """Of requests, by route and status: never by tenant or by what was asked."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "rushes_service_requests", "Requests that were answered.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "rushes_service_request_seconds",
            "How long an answer took.",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )


def application(service: Service, clock: Clock, version: str, *, agents: bool = False) -> FastAPI:
    """The service as an ASGI application. `agents`: with tools for them, which need the extra `mcp`."""
    tools = _tools(service, version) if agents else None
    app = DescribedApplication(
        title="rushes",
        version=version,
        description="Search over footage: time-coded moments, thumbnails, status.",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # It would be to the host that the request names, which anybody may write, and without TLS behind a proxy.
        redirect_slashes=False,
        lifespan=tools.lifespan if tools else None,
    )
    if tools:
        app.router.routes.append(Route(tools.path, tools.endpoint(), include_in_schema=False))
    metrics = ServiceMetrics()
    app.include_router(router(service))
    pages = Pages(service)
    app.include_router(sign_in_router(service, SignInPages(pages, service.browsers)))
    app.include_router(page_router(service, pages))
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(StageError, _stage_error)
    app.add_exception_handler(RepeatedAnswer, _repeated)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http(pages))

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> PlainTextResponse:
        trouble = service.readiness.trouble()
        if trouble is not None:
            return PlainTextResponse(f"{trouble}\n", 503)
        # Searches are answered all the same.
        beside = None if service.background is None else service.background.trouble()
        return PlainTextResponse("ready\n" if beside is None else f"ready, but {beside}\n")

    @app.get("/metrics", include_in_schema=False)
    def exposed() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    app.add_middleware(RepeatableWrites, claims=service.writes)
    app.add_middleware(OwnRequests, browsers=service.browsers, refused=service.forged)
    app.add_middleware(WholeSegments)
    app.add_middleware(BoundedBodies)
    app.add_middleware(RefusedKeys, callers=service.callers, turned_away=service.turned_away)
    app.add_middleware(CountedRequests, metrics=metrics, clock=clock)
    # What is added last is outermost: no other part can answer without these headers.
    app.add_middleware(WithHeaders)
    return app


def _tools(service: Service, version: str) -> "Agents":
    # Of an extra that most installations lack.
    from stream.service.agents import Agents

    return Agents(service, version)


class WithHeaders:
    """Headers that no answer goes without, unless its route says another value. A defect is an answer too,
    which tells nothing of it; the log has its type and its place.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        request_ids.begin(scope)

        async def with_headers(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                known = {name.lower() for name, _ in headers}
                # A page says more exactly what it may load, and what may be kept says how long.
                headers += [header for header in SAFE_HEADERS if header[0] not in known]
                headers += request_ids.headers(scope)
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except Exception as error:
            found = unexpected(error)
            _log.error("%s", found.message)
            # A status that was sent cannot be taken back.
            if begun or scope["type"] != "http":
                raise
            await response_of(problem_of(found))(scope, receive, with_headers)


class CountedRequests:
    """Counts answers by the pattern of their route."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # 500 until an answer begins, as a defect may come before it.
        began_s, status = self._clock.monotonic_s(), 500

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            # The pattern, not the path: ids would show what was asked, and each would be one more time series.
            route = _pattern(scope)
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(self._clock.monotonic_s() - began_s)


def _pattern(scope: Scope) -> str:
    """The pattern of the route that answered, with the prefixes of all routers around it."""
    # FastAPI leaves them out of `route`, and has them beside it.
    whole = scope.get("fastapi", {}).get("effective_route_context", scope.get("route"))
    found: str = getattr(whole, "path", "unknown")
    return found


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return response_of(error)


async def _stage_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, StageError)
    return response_of(problem_of(error))


async def _repeated(_: Request, error: Exception) -> Response:
    assert isinstance(error, RepeatedAnswer)
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Where and what kind, without what was sent.
    said = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
    return response_of(Problem(422, said, code="invalid_request"))


def _refused(request: Request, status: int) -> Problem:
    # What Starlette says of the first route of an address leaves out the others (RFC 9110, 15.5.6).
    allow = {"allow": ", ".join(_methods(request))} if status == 405 else {}
    return Problem(status, _NO_SUCH, code="invalid_request", headers=allow)


def _methods(request: Request) -> list[str]:
    routes: list[BaseRoute] = request.app.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _http(pages: Pages) -> Callable[[Request, Exception], Coroutine[Any, Any, Response]]:
    """Addresses that are not there, and those that take no such request: a page for people, data for programs."""

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        # The same text as for what the caller may not know, so that the two look alike.
        problem = absent() if error.status_code == 404 else _refused(request, error.status_code)
        return pages.error(request, problem) if wants_page(request) else response_of(problem)

    return answer
