"""The parent's side of one decode child: its slab of pixels and its sources. Not thread-safe: one user at a time."""

import contextlib
import fcntl
import mmap
import os
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

from decoders.sandbox.child import SLOT_BYTES, SLOTS
from decoders.sandbox.parent_source import SourceServer
from decoders.sources.policy import SourcePolicy
from decoders.sources.uris import describe
from stream.children.process import NONSENSE, SEND_TIMEOUT_S, Child, ChildDied, ChildHung
from stream.errors import Retryable

WORN_OUT_CPU_S = 3600.0
"""An idle child that has used this much CPU time is replaced, because its hard CPU limit comes nearer."""


class ChildProcess(Child):
    """A `Child` with a slab of shared memory that the parent owns: nothing stays behind when the child ends."""

    def __init__(self, setup: dict[str, Any]) -> None:
        with contextlib.ExitStack() as opened, contextlib.ExitStack() as passed:
            slab_fd = anonymous_memory(SLOTS * SLOT_BYTES)
            opened.callback(os.close, slab_fd)
            # Read-only for the parent: a defect here cannot damage what the child is writing.
            self._slab = opened.enter_context(mmap.mmap(slab_fd, SLOTS * SLOT_BYTES, prot=mmap.PROT_READ))
            source, asked = socket.socketpair()
            passed.enter_context(asked)
            given = opened.enter_context(contextlib.ExitStack())
            given.enter_context(source)
            super().__init__("decoders.sandbox.child", setup, (asked.fileno(), slab_fd))
            given.pop_all()  # the server closes it
            self._sources = SourceServer(source)
            self._kept = opened.pop_all()
        self.last_uri = ""
        self.busy = False

    @property
    def worn_out(self) -> bool:
        return self.cpu_s() > WORN_OUT_CPU_S

    def serve(self, uri: str, policy: SourcePolicy) -> None:
        """Sets the source of its next request, and what it may name."""
        self.last_uri = uri
        self._sources.serve(uri, policy)

    def rest(self, timeout_s: float) -> None:
        """Waits until the child has started and finished its previous request. Discards the frames of a span that was
        given up, at most one per slot. Raises `ChildDied` and `ChildHung`.
        """
        self.wait_ready()
        deadline_s = self._clock.monotonic_s() + timeout_s
        # One read more than there are slots: the last one is the end of the span.
        for _ in range(SLOTS + 1):
            if self.busy:
                self.busy = self.receive(deadline_s - self._clock.monotonic_s())["kind"] == "frames"
        if self.busy or self._messages.pending():
            raise ChildDied(NONSENSE)

    def pixels(self, offset: int, size: int) -> bytes:
        """A copy of the bytes that the child wrote. An impossible size or offset raises `ChildDied`."""
        # Offsets and sizes come from the child. Anything but a whole slot inside the slab is refused.
        if offset not in range(0, SLOTS * SLOT_BYTES, SLOT_BYTES) or not 0 < size <= SLOT_BYTES:
            raise ChildDied(NONSENSE)
        return self._slab[offset : offset + size]

    def give(self, later: bytes) -> None:
        """The later part of its cell, for which it waits; empty where there is none."""
        with contextlib.suppress(OSError):  # it is gone: the next `receive` says so
            self._messages.send({"do": "later", "size": len(later)}, SEND_TIMEOUT_S, later)

    def close(self) -> None:
        if not self._closed:
            super().close()
            self._sources.close()
            self._kept.close()


@contextlib.contextmanager
def reported_in_words(child: ChildProcess, waiting: "list[int] | tuple[()]") -> Iterator[None]:
    """Ends a child that dies, hangs or sends invalid messages, and raises `Retryable` with its
    URI and missing cells.
    """
    try:
        yield
    except ChildHung:
        code, what = "decoder_hung", "decoding made no progress for too long and was stopped"
    except ChildDied as death:
        code, what = "decoder_hung" if death.hung else "decoder_died", f"the decode process ended ({death.how})"
    except OSError:
        code, what = "decoder_died", "the decode process ended (connection lost)"
    except (ValueError, LookupError, TypeError, ArithmeticError):
        code, what = "decoder_died", f"the decode process ended ({NONSENSE})"
    else:
        return
    child.close()
    raise Retryable(f"{describe(child.last_uri)}: {what}", code=code, segments=waiting)


def anonymous_memory(size_bytes: int) -> int:
    """A file descriptor of anonymous memory, which disappears with its last user. It is sealed against shrinking: a
    read beyond the new end would kill this process (SIGBUS).
    """
    sealed = hasattr(os, "memfd_create")
    if sealed:
        fd = os.memfd_create("rushes-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    try:
        os.ftruncate(fd, size_bytes)
        if sealed:
            # Without the seal on seals the child could not be kept from adding others, such as against writing.
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(fd)
        raise
    return fd
