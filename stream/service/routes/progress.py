"""How far an asset is, told as it changes: server-sent events."""

from contextlib import ExitStack
from typing import Annotated

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Request, Response

from sinks.query.asset_detail import AssetDetail
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.byte_stream import ByteStream
from stream.service.path_segments import AssetName, TenantName
from stream.service.places import Places
from stream.service.problems import Problem, absent
from stream.service.schemas.assets import ProgressOut
from stream.service.schemas.problems import ProblemOut
from stream.service.searching import scopes_of
from stream.service.service import Service

_LOOK_S = 1.0
_LOOKS = 600
"""After so many the stream ends, and who still listens asks again."""
_SIGN_OF_LIFE = 15
"""So many looks without news are told of, as proxies end connections that are silent."""
_AT_ONCE, _SHARE = 128, 64
"""Streams in all, and of the assets of one tenant."""
_LastEventId = Annotated[str | None, Header(max_length=100, description="Of the last event that was received.")]


def add(routes: APIRouter, service: Service) -> None:
    places = Places(_AT_ONCE, _SHARE)
    stream = {
        "description": "Events `progress`, and `end` once the asset is final.",
        "content": {"text/event-stream": {}},
    }

    @routes.get(
        "/assets/{tenant}/{asset_id}/events",
        response_class=Response,
        responses={
            200: stream,
            204: {"description": "The asset is final, and the caller knows it."},
            404: {"model": ProblemOut},
        },
    )
    def events(
        request: Request, tenant: TenantName, asset_id: AssetName, last_event_id: _LastEventId = None
    ) -> Response:
        """Status and stages of an asset as they change, until it is final, for ten minutes at most. `Last-Event-ID`
        goes on where another connection ended.
        """
        subject = AccessSubject("progress", tenant, (service.asset_name(tenant, asset_id),))
        with ExitStack() as ends:
            _, access = ends.enter_context(service.access(request, Action.SEARCH, Activity.VIEWED, subject))
            look = _Look(service, request, tenant, asset_id)
            found = look(None)
            if found is None:
                raise absent()
            if _id(found) == last_event_id and found.view.status.final:
                return Response(status_code=204)
            ends.enter_context(places.one(tenant))
            told = _Told(look, found)
            first = _beginning() + (b"" if _id(found) == last_event_id else _event(found))
            kept = ends.pop_all()

        def close(_: int, error: BaseException | None) -> None:
            access.count = told.count
            kept.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)

        headers = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
        return ByteStream(200, headers, first, told.next_piece, close)


class _Look:
    """How far the asset is, by the rights of now; None where it is gone or the rights are. Raises `Problem` (`busy`)
    where nobody can look within `wait_s`.
    """

    def __init__(self, service: Service, request: Request, tenant: str, asset_id: str) -> None:
        self._service = service
        self._headers = request.headers
        self._asset = tenant, asset_id

    def __call__(self, wait_s: float | None) -> AssetDetail | None:
        try:
            caller = self._service.callers.of(self._headers)
        except Problem:
            return None
        with self._service.searchers.one(wait_s) as application:
            return application.asset(*self._asset, scopes_of(caller, Action.SEARCH))


class _Told:
    """What one listener was told."""

    def __init__(self, look: _Look, found: AssetDetail) -> None:
        self._look = look
        self._last = found
        self._looks = 0
        self.count = 1

    async def next_piece(self) -> bytes:
        """The next event, or a sign of life; nothing at the end."""
        quiet = 0
        while not self._last.view.status.final and self._looks < _LOOKS:
            await anyio.sleep(_LOOK_S)
            self._looks += 1
            quiet += 1
            try:
                # Streams wait for nobody: they would hold the threads that other requests need.
                found = await run_sync(self._look, 0.0)
            except Problem:
                found = self._last
            if found is None:
                break
            if _id(found) != _id(self._last):
                self._last = found
                self.count += 1
                return _event(found)
            if quiet == _SIGN_OF_LIFE:
                return b": still here\n\n"
        return b""


def _beginning() -> bytes:
    return b"retry: 5000\n\n"


def _id(found: AssetDetail) -> str:
    view = found.view
    failed = sum(len(item.segments) for item in found.failures)
    return f"{view.version.append_ms}-{view.version.offset}-{view.status}-{found.stored}-{failed}"


def _event(found: AssetDetail) -> bytes:
    name = "end" if found.view.status.final else "progress"
    return f"id: {_id(found)}\nevent: {name}\ndata: {ProgressOut.of(found).model_dump_json()}\n\n".encode()
