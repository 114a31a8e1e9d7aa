"""Bytes that are read while they are sent: nobody has the whole of them before the trail says so."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message

from stream.errors import Superseded
from stream.service.byte_stream import ByteStream

Told = list[object]


def pieces(*texts: bytes) -> Callable[[], Awaitable[bytes]]:
    left = list(texts)

    async def following() -> bytes:
        if left and left[0] == b"changed":
            raise Superseded("it is another one now", code="source_changed")
        return left.pop(0) if left else b""

    return following


def sent(headers: dict[str, str], first: bytes, *others: bytes) -> Told:
    """What is sent and closed, in its order: bytes, then (count, whether it was cut off), then the rest."""
    told: Told = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if body := message.get("body"):
            told.append(body)

    def close(count: int, error: BaseException | None) -> None:
        told.append((count, error is not None))

    stream = ByteStream(200, headers, first, pieces(*others), close)
    asyncio.run(stream({"type": "http"}, receive, send))
    return told


@pytest.mark.parametrize(
    ("headers", "texts", "told"),
    [
        # With its last byte the caller has an answer of known length.
        ({"content-length": "2"}, [b"ab"], [(2, False), b"ab"]),
        ({"content-length": "5"}, [b"ab", b"cd", b"e"], [b"ab", b"cd", (5, False), b"e"]),
        ({"content-length": "6"}, [b"ab", b"cd", b"changed"], [b"ab", (2, True)]),
        ({"content-length": "0"}, [b""], [(0, False)]),
        # An end of its own follows these: they may come as they are.
        ({}, [b"ab", b"cd"], [b"ab", b"cd", (4, False)]),
        ({}, [b"ab", b"changed"], [b"ab", (2, True)]),
    ],
)
def test_the_last_byte_comes_after_the_outcome(headers: dict[str, str], texts: list[bytes], told: Told) -> None:
    assert sent(headers, *texts) == told
