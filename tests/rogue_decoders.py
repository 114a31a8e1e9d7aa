"""Decoders that misbehave, for tests of the pool. Loaded by name inside the child."""

import os
import signal
import sys
import threading
from collections.abc import Iterator

from decoders.protocol import Inspection, Source
from decoders.pyav import PyAVDecoder
from stream.errors import BadMedia
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


class Defective(_Rogue):
    def misbehave(self) -> None:
        raise KeyError("a secret of the file")


class Telling(_Rogue):
    """Says what its process has imported."""

    def misbehave(self) -> None:
        heavy = sorted({"torch", "transformers", "onnxruntime", "lancedb", "timm"} & set(sys.modules))
        raise BadMedia(f"imported: {heavy}", code="telling")
