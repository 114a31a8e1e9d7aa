"""Decoders that misbehave, for tests of the pool. Loaded by name inside the child."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

from decoders.protocol import Inspection, Source
from decoders.pyav import PyAVDecoder
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


class Babbling(_Rogue):
    """As a child would that a hostile file took over: messages of its own, on the socket that `main` was given."""

    def misbehave(self) -> None:
        control = Connection(os.dup(int(sys.argv[2])))
        control.send_bytes(b'["not", {"what": "the parent expects"}]')


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
