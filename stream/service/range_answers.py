"""Answers with the part of a file that a request asks for, which are read while they are sent (RFC 9110, 13 and 14)."""

from collections.abc import Callable
from contextlib import ExitStack

from anyio.to_thread import run_sync
from fastapi import Request, Response

from stream.audit.recorder import AuditedAccess
from stream.service.byte_stream import ByteStream
from stream.service.problems import Problem
from stream.service.ranges import ByteRange, Unsatisfiable, asked_range, is_named

MOST_BYTES = 16 << 20
"""Of one answer to a range. Players ask for the rest when they need it, and who pauses holds nothing."""
PIECE_BYTES = 256 << 10

Pieces = Callable[[ByteRange], Callable[[], bytes]]
"""Of a part: what reads on at each call, and gives nothing at its end."""


def range_answer(
    request: Request, headers: dict[str, str], size: int, pieces: Pieces, ends: ExitStack, access: AuditedAccess
) -> Response:
    """`headers` with a strong `etag`. What `ends` holds, `access` among it, is kept until the answer has been sent.
    Raises `Problem` (416), and what the first piece raises: while no status was sent, it can be said in words.
    """
    etag = headers["etag"]
    if is_named(request.headers.get("if-none-match"), etag, weak=True):
        return Response(status_code=304, headers=headers)
    wanted = _range(request, size, etag)
    part = wanted or ByteRange(0, size)
    headers["content-length"] = str(part.end - part.start)
    if wanted is not None:
        headers["content-range"] = f"bytes {wanted.start}-{wanted.end - 1}/{size}"
    if request.method == "HEAD":
        return Response(status_code=200, headers=headers)
    read = pieces(part)
    first = read()
    kept = ends.pop_all()

    async def read_on() -> bytes:
        return await run_sync(read)

    def close(sent: int, error: BaseException | None) -> None:
        access.count = sent
        kept.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)

    return ByteStream(200 if wanted is None else 206, headers, first, read_on, close)


def _range(request: Request, size: int, etag: str) -> ByteRange | None:
    # RFC 9110, 14.2: a range has a meaning for GET alone.
    if request.method == "HEAD":
        return None
    if_range = request.headers.get("if-range")
    # What the caller has a part of is not this: it gets the whole.
    if if_range is not None and not is_named(if_range, etag, weak=False):
        return None
    try:
        return asked_range(request.headers.get("range"), size, MOST_BYTES)
    except Unsatisfiable:
        raise Problem(
            416,
            f"The range lies behind the end: there are {size} bytes.",
            code="range_not_satisfiable",
            headers={"content-range": f"bytes */{size}"},
        ) from None
