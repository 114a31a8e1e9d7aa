"""JSON objects over a socket, between the pool and its decode children. Not thread-safe: one user at a time.

Whatever the other end sends, drips or does not read, each call ends in time and nothing but data comes out of it.
"""

import json
import socket
import struct
from contextlib import suppress
from typing import Any

from stream.clock import SystemClock

MAX_MESSAGE_BYTES = 64 << 20
_LENGTH = struct.Struct("!I")
_PART_BYTES = 1 << 20


class Messages:
    """One end. A time holds for a whole message, so a byte now and then does not stretch it; None waits for ever."""

    def __init__(self, end: socket.socket, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        """`max_bytes` bounds a message that is received."""
        self._end = end
        self._max_bytes = max_bytes
        self._clock = SystemClock()

    def send(self, message: dict[str, Any], timeout_s: float | None = None, data: bytes = b"") -> None:
        """Raises `TimeoutError` when the other end does not read, other `OSError` when it is gone. `data` follows the
        message as it is, for `receive_data`.
        """
        text = json.dumps(message).encode()
        self._end.settimeout(timeout_s)
        self._end.sendall(_LENGTH.pack(len(text)) + text)
        if data:
            self._end.sendall(data)

    def send_descriptor(self, descriptor: int) -> None:
        """After a message that announced it."""
        socket.send_fds(self._end, [b"\0"], [descriptor])

    def receive_descriptor(self) -> int:
        """Raises `EOFError` when none came. It is the caller's to close."""
        self._end.settimeout(None)
        _, found, *_ = socket.recv_fds(self._end, 1, 1)
        if not found:
            raise EOFError
        return found[0]

    def receive_data(self, size: int) -> bytes:
        """What follows a message that announced it."""
        return self._exactly(size, None)

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        """Raises `TimeoutError`, `EOFError` or other `OSError` when the end is gone, `ValueError` for nonsense.

        What follows one that was cut off by its time cannot be read.
        """
        deadline_s = None if timeout_s is None else self._clock.monotonic_s() + timeout_s
        (size,) = _LENGTH.unpack(self._exactly(_LENGTH.size, deadline_s))
        if size > self._max_bytes:
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

    def hang_up(self) -> None:
        """Whoever waits for a message, here or there, sees the end."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

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
