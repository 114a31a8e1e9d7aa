"""JSON objects over a socket, between the pool and its decode children. Not thread-safe: one user at a time.

Whatever the other end sends, drips or does not read, each call ends in time and nothing but data comes out of it.
"""

import json
import socket
import struct
from typing import Any

from stream.clock import SystemClock

MAX_MESSAGE_BYTES = 64 << 20
_LENGTH = struct.Struct("!I")
_PART_BYTES = 1 << 20


class Messages:
    """One end. A time holds for a whole message, so a byte now and then does not stretch it; None waits for ever."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._clock = SystemClock()

    def send(self, message: dict[str, Any], timeout_s: float | None = None) -> None:
        """Raises `TimeoutError` when the other end does not read, other `OSError` when it is gone."""
        text = json.dumps(message).encode()
        self._end.settimeout(timeout_s)
        self._end.sendall(_LENGTH.pack(len(text)) + text)

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        """Raises `TimeoutError`, `EOFError` or other `OSError` when the end is gone, `ValueError` for nonsense.

        What follows one that was cut off by its time cannot be read.
        """
        deadline_s = None if timeout_s is None else self._clock.monotonic_s() + timeout_s
        (size,) = _LENGTH.unpack(self._exactly(_LENGTH.size, deadline_s))
        if size > MAX_MESSAGE_BYTES:
            raise ValueError("the message is too long")
        try:
            message = json.loads(self._exactly(size, deadline_s))
        except RecursionError:
            raise ValueError("the message is nested too deeply") from None
        if not isinstance(message, dict):
            raise ValueError("the message is no object")
        return message

    def pending(self) -> bool:
        """Whether there is something to read, be it the end."""
        self._end.setblocking(False)
        try:
            self._end.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        self._end.close()

    def _exactly(self, size: int, deadline_s: float | None) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._end.settimeout(self._left_s(deadline_s))
            part = self._end.recv(min(size - len(data), _PART_BYTES))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def _left_s(self, deadline_s: float | None) -> float | None:
        if deadline_s is None:
            return None
        left_s = deadline_s - self._clock.monotonic_s()
        if left_s <= 0:
            raise TimeoutError
        return left_s
