"""What a client may take of time and memory before it is known who it is: heads and small bodies, bounded."""

import asyncio
from typing import Any

import anyio
import h11
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from stream.service.problems import Problem, busy, response_of
from stream.service.safe_headers import SAFE_HEADERS

HEAD_WITHIN_S = 20.0
BODY_WITHIN_S = 30.0
TAKEN_WITHIN_S, LEAST_TAKEN_BYTES = 30.0, 32 << 10
MOST_BODY_BYTES = 256 << 10
"""Of everything but pictures, which have bounds of their own (`bodies`)."""
TAKES_UPLOADS = "/v1/uploads/"
TAKE_PICTURES = frozenset({"/", "/v1/search"})


class BoundedHeads(H11Protocol):
    """A connection on which no whole head of a request comes within `HEAD_WITHIN_S` is closed. Uvicorn itself waits for
    ever, and a few hundred such connections would be all that it takes. So is one whose client takes less than
    `LEAST_TAKEN_BYTES` of an answer in `TAKEN_WITHIN_S`, while the answer lies in memory.
    """

    _due: asyncio.TimerHandle | None = None
    _slow: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._served, self._most = self.app, self.limit_concurrency
        self.limit_concurrency = None

    def handle_events(self) -> None:
        full = self._most is not None and max(len(self.connections), len(self.tasks)) >= self._most
        # Uvicorn's own answer says neither what this is nor when to come again.
        self.app = _too_many if full else self._served
        super().handle_events()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours is the same for all that is no request
        answer = _safe(Problem(400, "This is no request of HTTP/1.1.", code="invalid_request"))
        head = h11.Response(status_code=400, headers=[*answer.raw_headers, (b"connection", b"close")])
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as Uvicorn's own
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        # The next request of a connection that is kept open.
        if self._due is None and self._between:
            self._wait()
        super().data_received(data)
        if not self._between:
            self._stop_waiting()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_less(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._stop_expecting()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _between(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._due = self.loop.call_later(HEAD_WITHIN_S, self.transport.abort)

    def _expect_less(self, than: int) -> None:
        self._slow = self.loop.call_later(TAKEN_WITHIN_S, self._look, than)

    def _look(self, before: int) -> None:
        now = self.transport.get_write_buffer_size()
        if before - now < LEAST_TAKEN_BYTES:
            self.transport.abort()
        else:
            self._expect_less(now)

    def _stop_expecting(self) -> None:
        slow, self._slow = self._slow, None
        if slow is not None:
            slow.cancel()

    def _stop_waiting(self) -> None:
        due, self._due = self._due, None
        if due is not None:
            due.cancel()


def _safe(problem: Problem) -> Response:
    """For what the application does not see."""
    answer = response_of(problem)
    answer.raw_headers.extend(SAFE_HEADERS)
    return answer


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    await _safe(busy())(scope, receive, send)


class BoundedBodies:
    """Takes a body in before the application sees the request, so that no route can forget to bound it. A request that
    a proxy may read in another way than this service is refused, and its connection closed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (why := _ambiguous(scope)) is not None:
            refused = response_of(Problem(400, why, code="invalid_request"))
            # What follows on it may be meant as a request or as the rest of this one (RFC 9112, section 6.1).
            refused.headers["connection"] = "close"
            await refused(scope, receive, send)
            return
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"} or _is_streamed(scope):
            await self._app(scope, receive, send)
            return
        try:
            with anyio.fail_after(BODY_WITHIN_S):
                body = await _whole(receive)
        except TimeoutError:
            slow = Problem(408, f"The body did not come within {BODY_WITHIN_S:g} seconds.", code="slow_request")
            await response_of(slow)(scope, receive, send)
            return
        if body is None:
            large = Problem(413, f"The body has more than {MOST_BODY_BYTES >> 10} KiB.", code="large_request")
            await response_of(large)(scope, receive, send)
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


def _ambiguous(scope: Scope) -> str | None:
    names = [name for name, _ in scope["headers"]]
    if b"transfer-encoding" in names and b"content-length" in names:
        return "The request says its length twice: by Content-Length and by Transfer-Encoding."
    if names.count(b"authorization") > 1:
        return "The request has more than one Authorization."
    return None


def _is_streamed(scope: Scope) -> bool:
    # To the disk, by bounds of its own (`uploads.receiving`).
    return _is_picture(scope) or (scope["method"] == "PATCH" and scope["path"].startswith(TAKES_UPLOADS))


def _is_picture(scope: Scope) -> bool:
    # Whatever a client says of its body: other routes read it before they know who sends it.
    if scope["path"] not in TAKE_PICTURES:
        return False
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return any(kind.strip().lower().startswith(b"image/") for kind in kinds)


async def _whole(receive: Receive) -> bytes | None:
    """The body; None where it is too long. What came until a client went away counts as all."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)
