"""What the two ends of a decode child's socket may do to each other: nothing but send data or end in time."""

import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from stream.children.messages import MAX_MESSAGE_BYTES, Messages


@pytest.fixture
def ends() -> Iterator[tuple[Messages, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Messages(ours), theirs


def framed(text: bytes) -> bytes:
    return struct.pack("!I", len(text)) + text


def test_what_is_sent_arrives_one_by_one(ends: tuple[Messages, socket.socket]) -> None:
    ours, theirs = ends
    assert not ours.pending()
    sent: list[dict[str, object]] = [{"kind": "frames", "segment": 3}, {"kind": "done", "text": "x" * 100_000}]
    other = Messages(theirs)
    for message in sent:
        other.send(message)
    assert ours.pending()
    assert [ours.receive(30.0), ours.receive()] == sent
    assert not ours.pending()


@pytest.mark.parametrize("start", [b"\0\0", framed(b'{"kind": "done"}')[:-1], framed(bytes(MAX_MESSAGE_BYTES))[:9]])
def test_a_message_that_stops_in_the_middle_ends_in_time(ends: tuple[Messages, socket.socket], start: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(start)
    with pytest.raises(TimeoutError):
        ours.receive(0.2)


def test_a_message_that_drips_ends_in_time(ends: tuple[Messages, socket.socket]) -> None:
    ours, theirs = ends
    over = threading.Event()

    def drip() -> None:
        theirs.sendall(struct.pack("!I", MAX_MESSAGE_BYTES))
        while not over.wait(0.02):
            theirs.sendall(b" ")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        with pytest.raises(TimeoutError):
            ours.receive(0.3)
    finally:
        over.set()
        dripping.join()


def test_an_end_that_does_not_read_ends_the_sending_in_time(ends: tuple[Messages, socket.socket]) -> None:
    ours, _ = ends
    with pytest.raises(TimeoutError):
        ours.send({"do": "x" * (8 << 20)}, 0.2)


@pytest.mark.parametrize(
    "sent",
    [
        framed(b"[1, 2]"),
        framed(b'"done"'),
        framed(b"null"),
        framed(b""),
        framed(b"{"),
        framed(b"\xff\xfe"),
        framed(b"[" * 200_000),
        framed(b'{"a":' * 200_000),
        struct.pack("!I", MAX_MESSAGE_BYTES + 1),
        struct.pack("!i", -1),
    ],
)
def test_nonsense_is_a_value_error(ends: tuple[Messages, socket.socket], sent: bytes) -> None:
    ours, theirs = ends
    writer = threading.Thread(target=theirs.sendall, args=(sent,))  # more than the socket may hold
    writer.start()
    with pytest.raises(ValueError, match=r".+"):
        ours.receive(30.0)
    writer.join()


@pytest.mark.parametrize("sent", [b"", b"\0\0", framed(json.dumps({"kind": "done"}).encode())[:-2]])
def test_an_end_that_closes_is_told_apart(ends: tuple[Messages, socket.socket], sent: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(sent)
    theirs.close()
    assert ours.pending()
    with pytest.raises(EOFError):
        ours.receive(30.0)
