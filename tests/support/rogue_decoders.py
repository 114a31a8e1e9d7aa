"""Decoders that misbehave, for tests of the pool. Loaded by name inside the child."""

import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator

from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.ffmpeg.shared import Later
from decoders.protocol import Inspection, Source
from decoders.sampling.later import KeptPicture, LaterPart
from stream.errors import BadMedia, Fatal
from stream.events.asset import SpanPlanned
from stream.events.frames import Frames


class _Rogue:
    """Inspects and decodes the first cell like the real one."""

    def __init__(self) -> None:
        self._decoder = PyAVDecoder()

    def inspect(self, source: Source) -> Inspection:
        return self._decoder.inspect(source)

    def decode(self, source: Source, span: SpanPlanned) -> Iterator[Frames]:
        for frames in self._decoder.decode(source, span):
            yield frames
            self.misbehave()

    def misbehave(self) -> None:
        raise NotImplementedError


class Honest:
    """The real one."""

    def __init__(self) -> None:
        self._decoder = PyAVDecoder()

    def inspect(self, source: Source) -> Inspection:
        return self._decoder.inspect(source)

    def decode(self, source: Source, span: SpanPlanned, later: Later = lambda: None) -> Iterator[Frames]:
        return self._decoder.decode(source, span, later)

    def decode_later(self, source: Source, span: SpanPlanned) -> bytes:
        return self._decoder.decode_later(source, span)


class Hanging(_Rogue):
    def misbehave(self) -> None:
        threading.Event().wait()


class Spinning(_Rogue):
    def misbehave(self) -> None:
        while True:
            pass


class Dying(_Rogue):
    def misbehave(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class Greedy(_Rogue):
    def misbehave(self) -> None:
        hoard = []
        while True:
            hoard.append(bytes(64 << 20))


class _Saying(_Rogue):
    """As a child would that a hostile file took over: messages of its own, on the socket that `main` was given."""

    messages: tuple[bytes, ...] = ()

    def misbehave(self) -> None:
        for message in self.messages:
            _write(struct.pack("!I", len(message)) + message)


class Babbling(_Saying):
    messages = (b'["not", {"what": "the parent expects"}]',)


class Nameless(_Saying):
    messages = (b"{}",)


class Finishing(_Saying):
    """Says it is through when it is not."""

    messages = (b'{"kind": "done"}',)


class Boundless(_Saying):
    messages = (b'{"kind": "frames", "segment": 1e999, "offset": 0, "size": 1}',)


class Nesting(_Saying):
    messages = (b'{"kind":' * 100_000,)


class Blaming(_Saying):
    """Names a cell that came already and one that nobody asked for beside one that is missing."""

    messages = (
        b'{"kind": "error", "error": "BadMedia", "code": "blamed", "message": "clip.mp4: x", "segments": [0, 2, 99]}',
    )


class Flooding(_Saying):
    messages = (b'{"kind": "frames", "segment": 1, "offset": 0, "size": 1}',)

    def misbehave(self) -> None:
        while True:
            super().misbehave()


class Halting(_Rogue):
    """Stops in the middle of a message."""

    def misbehave(self) -> None:
        _write(b"\0\0")
        threading.Event().wait()


class Dripping(_Rogue):
    """A message that does not end, a byte now and then."""

    def misbehave(self) -> None:
        _write(struct.pack("!I", 1 << 20))
        while True:
            _write(b" ")
            threading.Event().wait(0.05)


def _write(data: bytes) -> None:
    with socket.socket(fileno=os.dup(int(sys.argv[3]))) as control:
        control.settimeout(None)
        control.sendall(data)


class Ordering(_Rogue):
    """Tries to stop the whole stage."""

    def misbehave(self) -> None:
        raise Fatal("stop everything", code="disk")


class Defective(_Rogue):
    def misbehave(self) -> None:
        raise KeyError("a secret of the file")


class Telling(_Rogue):
    """Says what its process has imported."""

    def misbehave(self) -> None:
        heavy = sorted({"torch", "transformers", "onnxruntime", "lancedb", "timm"} & set(sys.modules))
        raise BadMedia(f"imported: {heavy}", code="telling")


class _Misled(Honest):
    """Misbehaves where it decodes for another child."""

    def decode_later(self, source: Source, span: SpanPlanned) -> bytes:
        self.misbehave()
        return super().decode_later(source, span)

    def misbehave(self) -> None:
        raise NotImplementedError


class LaterDying(_Misled):
    misbehave = Dying.misbehave


class LaterHanging(_Misled):
    misbehave = Hanging.misbehave


class LaterSpinning(_Misled):
    misbehave = Spinning.misbehave


class LaterGreedy(_Misled):
    misbehave = Greedy.misbehave


class LaterDefective(_Misled):
    misbehave = Defective.misbehave


class LaterRefusing(_Misled):
    def misbehave(self) -> None:
        raise BadMedia("a picture cannot be converted", code="unsupported_pixels")


class LaterBabbling(_Misled):
    def misbehave(self) -> None:
        message = Babbling.messages[0]
        _write(struct.pack("!I", len(message)) + message)


class LaterBoundless(_Misled):
    def misbehave(self) -> None:
        message = b'{"kind": "later", "offset": 0, "size": 1e999}'
        _write(struct.pack("!I", len(message)) + message)


class LaterLying(Honest):
    """Gives bytes that are no pictures."""

    def decode_later(self, source: Source, span: SpanPlanned) -> bytes:
        return b"pictures"


class LaterEmpty(Honest):
    """Gives pictures of which nothing was kept."""

    def decode_later(self, source: Source, span: SpanPlanned) -> bytes:
        times = range(span.settings.split_ns or 0, span.media.duration_ns, 100_000_000)
        return LaterPart([KeptPicture(time_ns, time_ns + 100_000_000, 0) for time_ns in times]).to_bytes()


class Asking(Honest):
    """Asks for the later part again and again."""

    def decode(self, source: Source, span: SpanPlanned, later: Later = lambda: None) -> Iterator[Frames]:
        while True:
            later()
