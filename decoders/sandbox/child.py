"""The decode child: a fresh interpreter that decodes for `decoders.sandbox.pool` what its parent opens. Imports no
torch.

Messages are JSON, so a child that a hostile file took over cannot make its parent run code. Pixels go through a slab of
shared memory that belongs to the parent. `stream.children.confinement` limits what else the child may do.
"""

import importlib
import mmap
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decoders.protocol import Decoder
from decoders.sandbox.child_source import SourceChannel
from decoders.sources.counting_source import CountingSource
from stream.children.confinement import Rights, confine, die_with, die_with_lifeline
from stream.children.loading import loaded
from stream.children.messages import Messages
from stream.errors import BadMedia, StageError
from stream.events.asset import SpanPlanned
from stream.events.frames import MAX_FRAMES_BYTES

# One slot is filled while the parent copies the other.
SLOTS = 2
SLOT_BYTES = MAX_FRAMES_BYTES


class _Stopped(Exception):
    """The parent does not need the rest of the span."""


def main(control_fd: int, lifeline_fd: int, source_fd: int, slab_fd: int) -> None:
    """Serves requests until the parent goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    messages = Messages(socket.socket(fileno=control_fd))
    channel = SourceChannel(socket.socket(fileno=source_fd))
    setup = messages.receive()
    # Before the imports, which take long: a parent that ends meanwhile must not leave a child behind.
    die_with(setup["parent"])
    module, _, name = setup["decoder"].partition(":")
    decoder: Decoder = getattr(importlib.import_module(module), name)()
    slab = mmap.mmap(slab_fd, SLOTS * SLOT_BYTES)
    # After all imports, since they open files; before the thread, since Landlock restricts only the thread that asks.
    held = confine(Rights(setup["memory_bytes"], module.partition(".")[0]))
    threading.Thread(target=die_with_lifeline, args=(lifeline_fd,), daemon=True).start()
    child = _Child(messages, slab, channel, decoder)
    loaded()
    child.send({"kind": "ready", "held": held})
    child.serve()


class _Child:
    def __init__(self, messages: Messages, slab: mmap.mmap, channel: SourceChannel, decoder: Decoder) -> None:
        self._messages = messages
        self._slab = slab
        self._channel = channel
        self._decoder = decoder
        self._source: CountingSource | None = None
        self._sent = self._freed = 0

    def send(self, message: dict[str, Any]) -> None:
        self._messages.send(message)

    def serve(self) -> None:
        actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "inspect": self._inspect,
            "decode": self._decode,
            "decode_later": self._decode_later,
        }
        while True:
            request = self._messages.receive()
            action = actions.get(request["do"])
            if action is None:
                continue  # a "free" or "stop" that the parent sent before it saw the end of the span
            answer = self._answer(action, request)
            self.send(answer)
            # After running out of memory its heap is not to be trusted: the parent starts a fresh child.
            if answer.get("spent"):
                return

    def _answer(self, action: Callable[[dict[str, Any]], dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        try:
            return action(request)
        except _Stopped:
            return {"kind": "done"}
        except StageError as error:
            return _error(type(error).__name__, error.code, error.message, error.segments)
        except MemoryError:
            # Frees the source's blocks, so that there is memory for the answer.
            self._channel.forget()
            message = "decoding needs more memory than is allowed; the file probably claims impossible sizes"
            return _error("BadMedia", "decoder_out_of_memory", message, ()) | {"spent": True}
        except Exception as error:  # noqa: BLE001 - a defect of the decoder; names type and place, never content
            # The error's message may quote the file, so only its type and place are named.
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            return _error("", "unexpected_error", f"{type(error).__name__} in {place}", ())

    def _inspect(self, _: dict[str, Any]) -> dict[str, Any]:
        source = self._opened()
        with source.reporting(lambda: self.send({"kind": "progress"})):
            found = self._decoder.inspect(source)
        return {
            "kind": "inspection",
            "source": found.source.model_dump(),
            "content_digest": found.content_digest,
            "media": found.media.model_dump(),
            "keyframes_ns": found.keyframes_ns,
        }

    def _decode(self, request: dict[str, Any]) -> dict[str, Any]:
        self._sent = self._freed = 0
        span = SpanPlanned.model_validate(request["span"])
        source = self._opened()
        # The source stays open over requests, so only the difference belongs to this span.
        read_bytes = source.read_bytes
        decode = self._decoder.decode
        for frames in decode(source, span, self._later) if request["shared"] else decode(source, span):
            value = frames.to_bytes()
            if len(value) > SLOT_BYTES:
                raise BadMedia(f"segment {frames.segment} is too large", code="too_large", segments=[frames.segment])
            self._wait_for_slot()
            offset = (self._sent % SLOTS) * SLOT_BYTES
            self._slab[offset : offset + len(value)] = value
            self._sent += 1
            before, read_bytes = read_bytes, source.read_bytes
            place = {"offset": offset, "size": len(value), "segment": frames.segment}
            # Sent only after the copy: the parent must never read a slot that is half written.
            self.send({"kind": "frames", "read_bytes": read_bytes - before} | place)
        return {"kind": "done"}

    def _decode_later(self, request: dict[str, Any]) -> dict[str, Any]:
        source = self._opened()
        read_bytes = source.read_bytes
        value = self._decoder.decode_later(source, SpanPlanned.model_validate(request["span"]))
        if len(value) > SLOT_BYTES:
            raise BadMedia("the later part is too large to be told", code="too_large")
        self._slab[: len(value)] = value
        return {"kind": "later", "offset": 0, "size": len(value), "read_bytes": source.read_bytes - read_bytes}

    def _later(self) -> bytes | None:
        """The later part, as another child decoded it; None where it did not."""
        self.send({"kind": "later"})
        while (request := self._heard())["do"] != "later":
            self._freed += 1
        size = int(request["size"])
        return self._messages.receive_data(size) if size else None

    def _wait_for_slot(self) -> None:
        """Reads the parent's pending messages. Blocks only while all slots are full."""
        while self._sent - self._freed >= SLOTS or self._messages.pending():
            self._heard()
            self._freed += 1

    def _heard(self) -> dict[str, Any]:
        request = self._messages.receive()
        if request["do"] == "stop":
            raise _Stopped
        return request

    def _opened(self) -> CountingSource:
        """The source of this request. It stays open over consecutive requests for the same, unchanged source."""
        source, same = self._channel.open()
        if self._source is None or not same:
            self._source = CountingSource(source, source.opened_version.size_bytes)
        return self._source


def _error(kind: str, code: str, message: str, segments: tuple[int, ...]) -> dict[str, Any]:
    return {"kind": "error", "error": kind, "code": code, "message": message, "segments": segments}
