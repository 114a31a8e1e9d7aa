"""Footage that callers send, in parts that can be resumed: tus 1.0 with creation, checksum, expiration, termination."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool

from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.events.asset import Profile
from stream.service.problems import Problem
from stream.service.schemas.problems import ProblemOut
from stream.service.schemas.uploads import UploadOut, UploadsOut
from stream.service.searching import labels_of
from stream.service.service import Service, origin_of, taken_uploads
from stream.service.tenant_limits import require_publisher
from stream.service.uploads.receiving import Receiver
from stream.service.uploads.register import Upload, UploadState
from stream.service.uploads.tus import (
    CHUNK_TYPE,
    EXTENSIONS,
    VERSION,
    Checksum,
    check_version,
    metadata,
    number,
    tus_headers,
)
from stream.service.uploads.uploads import UploadAsked, Uploads
from stream.service.viewing import own_upload, own_uploads, upload_is_known

_ONE = "/uploads/{upload_id}"
_Id = Annotated[str, Path(min_length=1, max_length=100)]
_Word = Annotated[str, Query(min_length=1, max_length=200)]
_Labels = Annotated[list[str], Query(max_length=64, description="`k=v`, kept on every moment; repeatable.")]


def add(routes: APIRouter, service: Service) -> None:
    _add_creation(routes, service)
    _add_states(routes, service)
    _add_sending(routes, service)


def _add_creation(routes: APIRouter, service: Service) -> None:
    length = _header("Upload-Length", "Of the whole file, in bytes.", required=True, kind="integer")
    described = _header("Upload-Metadata", "`filename` and `sha256` (of the whole file, in hexadecimal), in base64.")

    @routes.post(
        "/uploads",
        status_code=201,
        responses=_refused(404, 409, 412, 413, 501, 507),
        openapi_extra={"parameters": [length, described]},
    )
    def begin_upload(
        request: Request,
        response: Response,
        tenant: _Word,
        project: _Word = "default",
        profile: Profile = "full",
        label: _Labels = [],  # noqa: B006 - FastAPI copies it
    ) -> UploadOut:
        """Begin to send a file, which becomes an asset of the project with its last byte. `Location` is where its bytes
        are sent. It needs the role `editor` or `operator`.
        """
        subject = AccessSubject("upload begin", tenant)
        with service.access(request, Action.PUBLISH, Activity.UPLOADED, subject) as (caller, access):
            uploads = taken_uploads(service)
            check_version(request.headers)
            require_publisher(caller, tenant, project)
            said = metadata(request.headers)
            upload = uploads.begin(
                UploadAsked(
                    principal=caller.access.principal,
                    tenant=tenant,
                    project=project,
                    name=said.get("filename", ""),
                    size_bytes=number(request.headers, "upload-length"),
                    sha256=Checksum.of_hex(said["sha256"]) if "sha256" in said else None,
                    profile=profile,
                    labels=labels_of(label),
                )
            )
            access.resources = (upload.upload_id,)
            out = UploadOut.of(upload, uploads.expires_ms(upload))
            response.headers.update({**_headers(uploads, upload), "location": out.path})
            return out

    @routes.options("/uploads", include_in_schema=False)
    def uploads_protocol() -> Response:
        most = {} if service.uploads is None else {"tus-max-size": str(service.uploads.limits.most_bytes)}
        told = {"tus-version": VERSION, "tus-extension": EXTENSIONS, "tus-checksum-algorithm": "sha256"}
        return Response(status_code=204, headers={**tus_headers(), **told, **most})


def _add_states(routes: APIRouter, service: Service) -> None:
    @routes.get("/uploads", responses=_refused(501))
    def uploads(request: Request) -> UploadsOut:
        """The caller's own uploads: the newest hundred."""
        return own_uploads(service, request)

    @routes.get(_ONE, responses=_refused(404, 501))
    def upload(request: Request, upload_id: _Id) -> UploadOut:
        """How far an upload is, and what became of it."""
        with service.access(request, Action.PUBLISH, Activity.VIEWED, _subject(upload_id)) as (caller, _):
            found = own_upload(service, caller, upload_id)
            expires_ms = taken_uploads(service).expires_ms(found)
            return UploadOut.of(found, expires_ms, asset_known=upload_is_known(service, caller, found))

    @routes.head(_ONE, response_class=Response, responses=_refused(404, 410, 412, 501))
    def upload_offset(request: Request, upload_id: _Id) -> Response:
        """`Upload-Offset` is the next byte to send."""
        with service.access(request, Action.PUBLISH, Activity.VIEWED, _subject(upload_id)) as (caller, _):
            check_version(request.headers)
            found = own_upload(service, caller, upload_id)
            if found.state is UploadState.REFUSED:
                raise _gone(found)
            length = {"upload-length": str(found.size_bytes)}
            return Response(headers={**_headers(taken_uploads(service), found), **length})

    @routes.delete(_ONE, status_code=204, responses=_refused(404, 409, 412, 501))
    def end_upload(request: Request, upload_id: _Id) -> Response:
        """Give an upload up, and forget what came of it."""
        with service.access(request, Action.PUBLISH, Activity.DELETED, _subject(upload_id)) as (caller, _):
            check_version(request.headers)
            found = own_upload(service, caller, upload_id)
            taken_uploads(service).remove(found)
            return Response(status_code=204, headers=tus_headers())


def _add_sending(routes: APIRouter, service: Service) -> None:
    offset = _header("Upload-Offset", "Of the first byte that is sent.", required=True, kind="integer")
    checksum = _header("Upload-Checksum", "`sha256 BASE64` of what is sent.")
    body = {"required": True, "content": {CHUNK_TYPE: {"schema": {"type": "string", "format": "binary"}}}}

    @routes.patch(
        _ONE,
        status_code=204,
        responses=_refused(404, 408, 409, 410, 412, 413, 415, 460, 501, 507),
        openapi_extra={"parameters": [offset, checksum], "requestBody": body},
    )
    async def send_upload(request: Request, upload_id: _Id) -> Response:
        """Send bytes, as many as there are or a part. What came of them stays, also when the connection breaks; `HEAD`
        tells where to go on. With the last byte the file is checked, stored and published.
        """
        way_in = service.access(request, Action.PUBLISH, Activity.UPLOADED, _subject(upload_id))
        async with contextmanager_in_threadpool(way_in) as (caller, access):
            uploads = taken_uploads(service)
            found = await run_sync(uploads.find, caller.access.principal, upload_id)
            require_publisher(caller, found.tenant, found.project)
            _check_part(request.headers, found)
            with service.sending.one(caller.access.principal):
                access.count = await _received(uploads, found, request)
                now = await run_sync(uploads.find, caller.access.principal, upload_id)
                if now.received == now.size_bytes:
                    await run_sync(uploads.complete, now, caller.actor, origin_of(request))
            return Response(status_code=204, headers=_headers(uploads, now))


async def _received(uploads: Uploads, upload: Upload, request: Request) -> int:
    """How many bytes came."""
    if upload.received == upload.size_bytes:
        return 0
    checksum = Checksum.of_header(request.headers)
    part = uploads.spool.part(upload.upload_id, upload.received, digested=checksum is not None)
    async with contextmanager_in_threadpool(part) as file:
        return await Receiver(uploads, upload, file, checksum).take(request.stream()) - upload.received


def _check_part(headers: Mapping[str, str], upload: Upload) -> None:
    """Raises `Problem` for what cannot be the next part."""
    check_version(headers)
    if headers.get("content-type", "") != CHUNK_TYPE:
        raise Problem(415, f"Send the bytes with the type `{CHUNK_TYPE}`.", code="invalid_upload_header")
    if upload.state is UploadState.REFUSED:
        raise _gone(upload)
    if number(headers, "upload-offset") != upload.received:
        raise Problem(409, f"The next byte to send is {upload.received}.", code="other_upload_offset")
    if "content-length" in headers and number(headers, "content-length") > upload.size_bytes - upload.received:
        raise Problem(413, "There are more bytes than `Upload-Length` says.", code="large_request")


def _gone(upload: Upload) -> Problem:
    return Problem(410, f"The upload was refused ({upload.code}).", code="upload_refused")


def _headers(uploads: Uploads, upload: Upload) -> dict[str, str]:
    expires_ms = uploads.expires_ms(upload)
    expires = {} if expires_ms is None else {"upload-expires": _http_date(expires_ms)}
    return {**tus_headers(), "upload-offset": str(upload.received), **expires}


def _http_date(time_ms: int) -> str:
    return format_datetime(datetime.fromtimestamp(time_ms / 1000, UTC), usegmt=True)


def _subject(upload_id: str) -> AccessSubject:
    return AccessSubject("upload", resources=(upload_id,))


def _refused(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": ProblemOut} for code in (400, *codes)}


def _header(name: str, description: str, *, required: bool = False, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "description": description, "schema": {"type": kind}}
