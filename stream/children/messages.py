"""JSON objects over a socket between a parent and its child. Not thread-safe: one user at a time.

Whatever the other end sends, sends slowly or does not read, each call ends in time and returns only data.
"""

import json
import select
import socket
import struct
from contextlib import suppress
from typing import Any

from stream.clock import SystemClock

# The largest honest message is the list of key frames of a long film.
MAX_MESSAGE_BYTES = 64 << 20
REPORT_EVERY_S = 1.0
"""How often a child says at most that it goes on."""
_LENGTH = struct.Struct("!I")
_PART_BYTES = 1 << 20


class Messages:
    """One end. A timeout covers a whole message, so single bytes do not extend it. None waits for ever."""

    def __init__(self, end: socket.socket, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        """`max_bytes` limits the size of a received message."""
        self._end = end
        self._max_bytes = max_bytes
        self._clock = SystemClock()

    def send(self, message: dict[str, Any], timeout_s: float | None = None, data: bytes = b"") -> None:
        """Sends a message, then `data` unchanged (see `receive_data`). Raises `TimeoutError` when the other end does
        not read, and another `OSError` when it is gone.
        """
        text = json.dumps(message).encode()
        self._end.settimeout(timeout_s)
        self._end.sendall(_LENGTH.pack(len(text)) + text)
        if data:
            self._end.sendall(data)

    def send_descriptor(self, descriptor: int) -> None:
        """Sends an open descriptor, after a message that announced it."""
        socket.send_fds(self._end, [b"\0"], [descriptor])

    def receive_descriptor(self) -> int:
        """The announced descriptor; the caller closes it. Raises `EOFError` when none came."""
        self._end.settimeout(None)
        _, found, *_ = socket.recv_fds(self._end, 1, 1)
        if not found:
            raise EOFError
        return found[0]

    def receive_data(self, size: int) -> bytes:
        """The `size` bytes that follow a message that announced them."""
        return self._exactly(size, None)

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The next message. Raises `TimeoutError`; `EOFError` or another `OSError` when the other end is gone;
        `ValueError` for an invalid message.

        After a timeout in the middle of a message, later messages cannot be read.
        """
        deadline_s = None if timeout_s is None else self._clock.monotonic_s() + timeout_s
        (size,) = _LENGTH.unpack(self._exactly(_LENGTH.size, deadline_s))
        # Before the bytes are read: the length comes from a child that may be hostile.
        if size > self._max_bytes:
            raise ValueError("the message is too long")
        try:
            message = json.loads(self._exactly(size, deadline_s))
        except RecursionError:
            raise ValueError("the message is nested too deeply") from None
        if not isinstance(message, dict):
            raise ValueError("the message is not a JSON object")
        return message

    def pending(self) -> bool:
        """Whether there is something to read, which may be the end of the connection."""
        self._end.setblocking(False)
        try:
            # Only peeks: the message stays for `receive`.
            self._end.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something to read within this time, which may be the end of the connection."""
        waiting = select.poll()
        waiting.register(self._end, select.POLLIN)
        return bool(waiting.poll(1000 * timeout_s))

    def hang_up(self) -> None:
        """Ends the connection: every reader on both sides sees the end."""
        # `shutdown` and not `close`: a thread that waits in `recv` wakes up only by it.
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._end.close()

    def _exactly(self, size: int, deadline_s: float | None) -> bytes:
        data = bytearray()
        while len(data) < size:
            # Set again for each part: a sender of single bytes must not extend the time of the whole.
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
