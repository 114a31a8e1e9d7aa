"""Selections and answers as files for other tools."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fastapi import APIRouter, Request, Response

from sinks.query.filters import Filters
from stream.access.actions import Action
from stream.audit.ocsf import Activity
from stream.events.timecode import edit_rate
from stream.search.application import Search
from stream.search.exports import to_csv, to_edl, to_json_lines, to_parquet
from stream.search.hit import Hit
from stream.search.timeline_export import to_otio
from stream.service.problems import Problem
from stream.service.schemas.exports import ExportIn, Format
from stream.service.schemas.problems import ProblemOut
from stream.service.searching import export_request, export_subject, scopes_of
from stream.service.service import Service


@dataclass(frozen=True, slots=True)
class _FileFormat:
    media_type: str
    make: Callable[[Sequence[Hit], Fraction], str | bytes]


FORMATS: Mapping[Format, _FileFormat] = {
    "csv": _FileFormat("text/csv", lambda hits, _: to_csv(hits)),
    "jsonl": _FileFormat("application/jsonl", lambda hits, _: to_json_lines(hits)),
    "parquet": _FileFormat("application/vnd.apache.parquet", lambda hits, _: to_parquet(hits)),
    "edl": _FileFormat("text/plain", to_edl),
    "otio": _FileFormat("application/json", to_otio),
}


def add(routes: APIRouter, service: Service) -> None:
    said: dict[int | str, dict[str, Any]] = {code: {"model": ProblemOut} for code in (400, 404)}
    files = {"description": "The file.", "content": {each.media_type: {} for each in FORMATS.values()}}

    @routes.post("/exports", response_class=Response, responses={200: files, **said})
    def export(request: Request, asked: ExportIn) -> Response:
        """The moments of a selection, or the hits of a search, as a file: CSV, JSON lines, Parquet, an edit list (CMX
        3600) or an OpenTimelineIO timeline. It names the footage, so it needs the role `editor`. 404 names moments that
        there are none of, and then nothing is exported.
        """
        subject = export_subject(service, asked)
        with service.access(request, Action.EXPORT, Activity.EXPORTED, subject) as (caller, access):
            scopes = scopes_of(caller, Action.EXPORT)
            with service.searchers.one() as application:
                hits = _hits(application, asked, Filters(scopes=scopes))
            kind = FORMATS[asked.format]
            body = kind.make(hits, edit_rate(asked.fps))
            access.count = len(hits)
            access.resources = tuple(service.asset_name(hit.tenant, hit.asset_id) for hit in hits)
            tenants = {hit.tenant for hit in hits}
            # An event has one tenant: of several none is named, as none of them may learn of the others.
            access.tenant = tenants.pop() if len(tenants) == 1 else None
            name = f"attachment; filename=rushes.{asked.format}"
            return Response(body, media_type=kind.media_type, headers={"content-disposition": name})


def _hits(application: Search, asked: ExportIn, rights: Filters) -> Sequence[Hit]:
    if asked.search is not None:
        return application.answer(export_request(asked.search, rights)).hits
    found = application.selection(asked.space, asked.moment_ids, rights, asked.group)
    if found.unknown:
        raise Problem(
            404,
            f"{len(found.unknown)} of the moments are not there: an edit without them would be another one.",
            code="no_such_thing",
            extra={"unknown": list(found.unknown)},
        )
    return found.hits
