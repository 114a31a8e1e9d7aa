"""The original footage of an asset, by byte ranges: a player begins at any moment of it."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from decoders.formats.media_types import OTHER
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.errors import StageError
from stream.events.ids import clip_name
from stream.search.footage import Footage
from stream.service.footages import footage_problem
from stream.service.path_segments import AssetName, TenantName
from stream.service.problems import absent
from stream.service.range_answers import MOST_BYTES, PIECE_BYTES, range_answer
from stream.service.ranges import ByteRange
from stream.service.schemas.problems import ProblemOut
from stream.service.searching import scopes_of
from stream.service.service import Service

_PATH = "/assets/{tenant}/{asset_id}/media"
_Download = Annotated[bool, Query(description="To keep it: the answer names a file, and the trail says downloaded.")]


def add(routes: APIRouter, service: Service) -> None:
    said: dict[int | str, dict[str, Any]] = {code: {"model": ProblemOut} for code in (404, 409, 410, 416)}
    content: dict[str, dict[str, Any]] = {"video/mp4": {}, "video/webm": {}, OTHER: {}}
    whole = {"description": "The footage as it is.", "content": content}
    part = {"description": f"The range, or its first {MOST_BYTES >> 20} MiB.", "content": content}

    @routes.get(_PATH, response_class=Response, responses={200: whole, 206: part, **said})
    def media(request: Request, tenant: TenantName, asset_id: AssetName, download: _Download = False) -> Response:
        """The original footage. `Range` gives a part of it; `If-Range` and `If-None-Match` take its `ETag`."""
        return _answer(service, request, tenant, asset_id, download=download)

    @routes.head(_PATH, response_class=Response, responses={200: whole, **said})
    def media_facts(request: Request, tenant: TenantName, asset_id: AssetName, download: _Download = False) -> Response:
        """Size, type and `ETag` of the footage."""
        return _answer(service, request, tenant, asset_id, download=download)


def _answer(service: Service, request: Request, tenant: str, asset_id: str, *, download: bool) -> Response:
    activity = Activity.DOWNLOADED if download else Activity.PLAYED
    subject = AccessSubject("media", tenant, (service.asset_name(tenant, asset_id),))
    with ExitStack() as ends:
        caller, access = ends.enter_context(service.access(request, Action.PLAY, activity, subject))
        scopes = scopes_of(caller, Action.PLAY)
        with service.searchers.one() as application:
            asset = application.live(tenant, asset_id, scopes)
            planned = None if asset is None else application.footage_source(asset)
        if asset is None:
            raise absent()
        footage = ends.enter_context(service.footages.opened(asset, planned))
        headers = _headers(footage, asset_id, download=download)
        try:
            return range_answer(request, headers, footage.size_bytes, lambda part: _pieces(footage, part), ends, access)
        except StageError as error:
            raise footage_problem(error) from None


def _pieces(footage: Footage, part: ByteRange) -> Callable[[], bytes]:
    """Reads on at each call; nothing at the end, and `Superseded` where the footage is not what it was by then."""
    at = part.start

    def read() -> bytes:
        nonlocal at
        size = min(PIECE_BYTES, part.end - at)
        if not size:
            return b""
        found = footage.read(at, size)
        at += size
        # Before the last piece is given out: an answer of two contents must not look whole.
        if at == part.end:
            footage.check()
        return found

    return read


def _headers(footage: Footage, asset_id: str, *, download: bool) -> dict[str, str]:
    shown = footage.media_type != OTHER and not download
    name = quote(clip_name(asset_id)[:150], safe="")
    return {
        "etag": f'"{footage.tag}"',
        "accept-ranges": "bytes",
        "content-type": footage.media_type,
        "content-disposition": "inline" if shown else f"attachment; filename*=UTF-8''{name}",
        # Asked for again each time: rights end, and footage changes.
        "cache-control": "private, no-cache",
        "vary": "Authorization, Cookie",
    }
