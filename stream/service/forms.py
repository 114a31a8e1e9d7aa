"""Forms that need no script: their fields, and the proof that a page of this service had them."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import parse_qsl

from anyio.to_thread import run_sync
from fastapi import Depends, Request

from stream.identity.browser_origins import has_token
from stream.service.problems import Problem
from stream.service.service import Service

_MOST_BYTES, _MOST_OWN_BYTES = 8_192, 65_536


def forged() -> Problem:
    return Problem(403, "This did not come from a page of this service.", code="forged_request")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form of anybody. Raises `Problem` for one that is too long or has another type."""
    return await _fields(request, _MOST_BYTES)


async def _fields(request: Request, most_bytes: int) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "Send the form of the page.", code="invalid_request")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise Problem(413, f"A form has at most {most_bytes} bytes.", code="invalid_request")
    try:
        return dict(parse_qsl(body.decode("ascii"), strict_parsing=True, max_num_fields=20)) if body else {}
    except ValueError:
        raise Problem(400, "This is no form.", code="invalid_request") from None


Form = Annotated[dict[str, str], Depends(form_of)]


def own_form(service: Service) -> Callable[[Request], Coroutine[Any, Any, dict[str, str]]]:
    """A dependency that gives the fields of a form which changes something. One with a session's cookie must have the
    session's token. Raises `Problem` (`forged_request`), and as `form_of` does.
    """

    async def form(request: Request) -> dict[str, str]:
        fields = await _fields(request, _MOST_OWN_BYTES)
        secret = service.browsers.secret_of(request.headers)
        if secret is not None and not has_token(secret, fields.pop("token", None)):
            # The trail waits for the disk, and the event loop must not.
            raise await run_sync(service.forged, request, forged())
        return fields

    return form
