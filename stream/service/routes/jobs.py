"""Jobs: variants of a template by the thousand, with their manifests and finals. They are made elsewhere."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response

from stream.jobs.manifest import ENVELOPE
from stream.jobs.states import JobState, VariantState
from stream.service.job_viewing import (
    AskedPage,
    downloaded_final,
    listed_jobs,
    listed_variants,
    previewed_variant,
    viewed_job,
    viewed_manifest,
)
from stream.service.path_segments import TenantName
from stream.service.problems import Problem
from stream.service.range_answers import MOST_BYTES, PIECE_BYTES, range_answer
from stream.service.ranges import ByteRange, is_named
from stream.service.schemas.jobs import JobOut, JobsOut, JobVariantsOut
from stream.service.schemas.problems import ProblemOut
from stream.service.service import Service

_JOB = "/jobs/{tenant}/{job}"
_VARIANT = f"{_JOB}/variants/{{variant}}"
_Job = Annotated[str, Path(min_length=1, max_length=100)]
_Variant = Annotated[str, Path(min_length=1, max_length=100, description="Its id.")]
_Name = Annotated[str, Path(min_length=1, max_length=100)]
_Cursor = Annotated[str | None, Query(max_length=2_000, description="`next` of the answer before.")]
_Limit = Annotated[int, Query(ge=1, le=200)]
_PRIVATE = {"cache-control": "private, no-cache", "vary": "Authorization, Cookie"}


def add(routes: APIRouter, service: Service) -> None:
    _add_states(routes, service)
    _add_files(routes, service)


def _add_states(routes: APIRouter, service: Service) -> None:
    @routes.get("/jobs")
    def jobs(
        request: Request,
        tenant: Annotated[str, Query(min_length=1, max_length=200)],
        state: JobState | None = None,
        cursor: _Cursor = None,
        limit: _Limit = 50,
    ) -> JobsOut:
        """A tenant's jobs of the projects that the caller may see."""
        return listed_jobs(service, request, tenant, AskedPage(limit, state, cursor))

    @routes.get(_JOB, responses={404: {"model": ProblemOut}})
    def job(request: Request, tenant: TenantName, job: _Job) -> JobOut:
        """How far a job is, stage by stage, and what it has used."""
        return viewed_job(service, request, tenant, job)

    @routes.get(f"{_JOB}/variants", responses={404: {"model": ProblemOut}})
    def job_variants(
        request: Request,
        tenant: TenantName,
        job: _Job,
        state: VariantState | None = None,
        cursor: _Cursor = None,
        limit: _Limit = 50,
    ) -> JobVariantsOut:
        """The variants of a job, with why they failed, or with paths of their manifest and their finals."""
        return listed_variants(service, request, tenant, job, AskedPage(limit, state, cursor))


def _add_files(routes: APIRouter, service: Service) -> None:
    absences: dict[int | str, dict[str, Any]] = {404: {"model": ProblemOut}}
    signed = {"description": "The envelope as it was signed.", "content": {ENVELOPE: {}}}

    @routes.get(f"{_VARIANT}/manifest", response_class=Response, responses={200: signed, **absences})
    def job_manifest(request: Request, tenant: TenantName, job: _Job, variant: _Variant) -> Response:
        """What a finished variant is and what made it: an in-toto statement with SLSA provenance, in a signed envelope
        (DSSE).
        """
        envelope = viewed_manifest(service, request, tenant, job, variant)
        named = _attachment(f"{job}-{variant}.json")
        return Response(envelope, media_type=ENVELOPE, headers={**_PRIVATE, "content-disposition": named})

    small = {"description": "A small picture.", "content": {"image/jpeg": {}}}

    @routes.get(f"{_VARIANT}/poster", response_class=Response, responses={200: small, **absences})
    def job_poster(request: Request, tenant: TenantName, job: _Job, variant: _Variant) -> Response:
        """The first final of a finished variant that is a picture, made small; where there is none, a picture of its
        first film.
        """
        picture, final = previewed_variant(service, request, tenant, job, variant)
        headers = {**_PRIVATE, "etag": f'"{final.digest.removeprefix("sha256:")}-small"'}
        if is_named(request.headers.get("if-none-match"), headers["etag"], weak=True):
            return Response(status_code=304, headers=headers)
        return Response(picture, media_type="image/jpeg", headers=headers)

    said: dict[int | str, dict[str, Any]] = {code: {"model": ProblemOut} for code in (404, 410, 416)}
    content: dict[str, dict[str, Any]] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    whole = {"description": "The file, of the type that its manifest names.", "content": content}
    part = {"description": f"The range, or its first {MOST_BYTES >> 20} MiB.", "content": content}

    @routes.get(
        f"{_VARIANT}/finals/{{stage}}/{{file}}", response_class=Response, responses={200: whole, 206: part, **said}
    )
    def job_final(
        request: Request, tenant: TenantName, job: _Job, variant: _Variant, stage: _Name, file: _Name
    ) -> Response:
        """A file that a finished variant gave; its bytes are compared with the manifest before any are sent. `Range`
        gives a part of it; `ETag` is the digest.
        """
        with ExitStack() as ends:
            asked = downloaded_final(service, request, tenant, job, variant, (stage, file))
            final, access = ends.enter_context(asked)
            held = service.job_store.opened(tenant, final.digest)
            if held is None:
                raise Problem(410, "The file is gone or damaged: submit the job again.", code="final_lost")
            ends.enter_context(held)
            headers = {
                **_PRIVATE,
                "etag": f'"{final.digest.removeprefix("sha256:")}"',
                "accept-ranges": "bytes",
                "content-type": final.media_type,
                "content-disposition": _attachment(f"{variant}-{final.name}"),
            }
            size = os.fstat(held.fileno()).st_size
            return range_answer(request, headers, size, lambda asked: _pieces(held, asked), ends, access)


def _pieces(file: BinaryIO, part: ByteRange) -> Callable[[], bytes]:
    file.seek(part.start)
    left = part.end - part.start

    def read() -> bytes:
        nonlocal left
        found = file.read(min(PIECE_BYTES, left))
        left -= len(found)
        return found

    return read


def _attachment(name: str) -> str:
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
