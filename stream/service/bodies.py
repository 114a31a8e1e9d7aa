"""Bodies of requests that are no JSON: of bounded size, within a bounded time."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import anyio
from anyio.to_thread import run_sync
from fastapi import Request
from pydantic import BaseModel, ValidationError

from stream.service.problems import Problem
from stream.service.service import Service

MOST_PICTURE_BYTES = 20 << 20
_MOST_JSON_BYTES = 1 << 20
_WITHIN_S = 30.0
Model = TypeVar("Model", bound=BaseModel)


def picture_body(service: Service) -> Callable[[Request], Coroutine[Any, Any, bytes]]:
    """A dependency that gives the picture which is the body. Raises `Problem` (413, 415, 408, 503)."""

    async def picture(request: Request) -> bytes:
        # Nobody's bytes are taken in before it is known who sends them. Who that is the route says, and audits.
        try:
            caller = await run_sync(service.callers.of, request.headers)
        except Problem:
            return b""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith("image/"):
            raise Problem(415, "Send the picture as the body, with its type: `image/jpeg`.", code="not_a_picture")
        # In memory while it comes, which a slow client can draw out.
        with service.pictures.one(caller.access.principal):
            return await _bounded(request, MOST_PICTURE_BYTES)

    return picture


def json_body(service: Service, kind: type[Model]) -> Callable[[Request], Coroutine[Any, Any, Model | None]]:
    """A dependency that gives the JSON document which is the body. None: nobody's that may send one, as the route will
    find too. Raises `Problem` (413, 415, 408, 422).
    """

    async def document(request: Request) -> Model | None:
        try:
            await run_sync(service.callers.of, request.headers)
        except Problem:
            return None
        # Another site's form could not send this type without asking first.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "Send a JSON document, with the type `application/json`.", code="invalid_request")
        try:
            return kind.model_validate_json(await _bounded(request, _MOST_JSON_BYTES))
        except ValidationError as error:
            # Where and what kind, without what was sent.
            said = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
            raise Problem(422, said, code="invalid_request") from None

    return document


def documented(kind: type[BaseModel]) -> dict[str, Any]:
    """The body of such a route for OpenAPI, which cannot see it."""
    schema = kind.model_json_schema()
    # In place: references of such a schema mean another place within the whole document.
    whole = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": whole}}}}


def _inlined(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        beside = {key: value for key, value in part.items() if key != "$ref"}
        return _inlined({**definitions[part["$ref"].rpartition("/")[2]], **beside}, definitions)
    return {key: _inlined(value, definitions) for key, value in part.items()}


async def _bounded(request: Request, most_bytes: int) -> bytes:
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:18]) > most_bytes:
        raise _too_large(most_bytes)
    body = bytearray()
    try:
        with anyio.fail_after(_WITHIN_S):
            async for part in request.stream():
                body += part
                # Also what states no length, or another one.
                if len(body) > most_bytes:
                    raise _too_large(most_bytes)
    except TimeoutError:
        raise Problem(408, f"The body did not come within {_WITHIN_S:g} seconds.", code="slow_request") from None
    return bytes(body)


def _too_large(most_bytes: int) -> Problem:
    return Problem(413, f"The body has more than {most_bytes >> 20} MiB: send less.", code="large_request")
