"""An answer of bytes that are read while they are sent, slowly too, and that ends with its audit event."""

from collections.abc import Awaitable, Callable, Mapping

import anyio
from anyio.to_thread import run_sync
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from stream.errors import StageError

_TAKEN_WITHIN_S = 30.0
"""A caller who does not take a piece in this time is taken for gone: its place is for others."""


class ByteStream(Response):
    """`headers` by their names in lower case. `first` was read already; `next_piece` reads on, and its empty answer is
    the end. `close` is called once, in every case, with the number of bytes that are given out and with what cut the
    answer off; the answer ends after it.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        first: bytes,
        next_piece: Callable[[], Awaitable[bytes]],
        close: Callable[[int, BaseException | None], None],
    ) -> None:
        super().__init__(None, status)
        # Not from the empty body: the length is that of what is read.
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._first = first
        self._next_piece = next_piece
        self._close = close
        # With the last of so many bytes the caller has the whole answer, whatever comes after them.
        self._holds_last = "content-length" in headers
        self._held = b""
        self._sent = 0
        self._whole = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's contract
        error: BaseException | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
                with anyio.move_on_after(_TAKEN_WITHIN_S) as patience:
                    await self._send_all(send, patience)
                tasks.cancel_scope.cancel()
        except BaseException as raised:
            error = _only(raised)
            # Of a source that fails on the way the trail tells. The status was sent: that the answer has no end, for
            # which the server cuts it off, is all that still tells the caller.
            if not isinstance(error, StageError):
                raise
        finally:
            with anyio.CancelScope(shield=True):
                given = self._sent + len(self._held) if self._whole else self._sent
                await run_sync(self._close, given, error)
        # Last, so that no whole answer lacks its audit event.
        if self._whole:
            await send({"type": "http.response.body", "body": self._held, "more_body": False})

    async def _send_all(self, send: Send, patience: anyio.CancelScope) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        piece = self._first
        while piece:
            ready, held = (self._held, piece) if self._holds_last else (piece, b"")
            # The time counts from each piece anew.
            patience.deadline = anyio.current_time() + _TAKEN_WITHIN_S
            await send({"type": "http.response.body", "body": ready, "more_body": True})
            self._sent += len(ready)
            self._held = held
            patience.deadline = float("inf")
            piece = await self._next_piece()
        self._whole = True


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    message: Message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
    scope.cancel()


def _only(error: BaseException) -> BaseException:
    """What a task group wraps, where it is one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
