"""Decoders that take their time over an inspection, for tests of the pool. Loaded by name inside the child."""

import os
import struct
import sys
import threading
import time
from collections.abc import Iterator

from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.protocol import Inspection, Source
from decoders.sources.counting_source import CountingSource
from stream.events.asset import SpanPlanned
from stream.events.frames import Frames

PART_BYTES = 4 << 20


class _Paced(CountingSource):
    """A source whose every MiB costs time."""

    def __init__(self, source: Source, cost: "SlowStorage") -> None:
        super().__init__(source, size_bytes=0)
        self._cost = cost

    def read(self, size: int = -1) -> bytes:
        found = super().read(size)
        self._cost.pay(len(found) / (1 << 20))
        return found


class SlowStorage:
    """The real decoder over storage that gives 6 MiB a second."""

    def __init__(self) -> None:
        self._decoder = PyAVDecoder()

    def inspect(self, source: Source) -> Inspection:
        return self._decoder.inspect(_Paced(source, self))

    def decode(self, source: Source, span: SpanPlanned) -> Iterator[Frames]:
        return self._decoder.decode(source, span)

    def pay(self, read_mib: float) -> None:
        threading.Event().wait(read_mib / 6)


class HardWork(SlowStorage):
    """Computes for a twelfth of a second over each MiB."""

    def pay(self, read_mib: float) -> None:
        end_s = time.process_time() + read_mib / 12
        while time.process_time() < end_s:
            pass


class Spinning(SlowStorage):
    """Reads, and then only computes."""

    def inspect(self, source: Source) -> Inspection:
        source.read(PART_BYTES)
        while True:
            pass


class Dripping(SlowStorage):
    """Reads on for ever, a little at a time."""

    def inspect(self, source: Source) -> Inspection:
        while True:
            source.read(1024)
            threading.Event().wait(0.02)


class GoingRound(SlowStorage):
    """Reads the same again and again."""

    def inspect(self, source: Source) -> Inspection:
        while True:
            source.seek(0)
            source.read(2 * PART_BYTES)
            threading.Event().wait(0.5)


class Boasting(SlowStorage):
    """Reports progress that is none, as a child would that a hostile file took over."""

    def inspect(self, source: Source) -> Inspection:
        text = b'{"kind": "progress"}'
        while True:
            os.write(int(sys.argv[3]), struct.pack("!I", len(text)) + text)
