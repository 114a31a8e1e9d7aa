"""Loudness by ITU-R BS.1770 as EBU R 128 uses it: measured by FFmpeg's `ebur128`, reached by one gain for the whole
programme, with a limiter only where the true peak asks for it.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import av.error
import numpy as np
from av.filter import Graph

from stream.media.transcode.encoding import SAMPLE_RATE, layout_of
from stream.media.transcode.sound import Samples

SILENT_LUFS = -70.0
"""What is measured of silence, and of sound shorter than a gating block of 0.4 s."""

_OVERSAMPLED = 4 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class MeasuredLoudness:
    integrated_lufs: float
    true_peak_dbtp: float

    @property
    def silent(self) -> bool:
        return self.integrated_lufs <= SILENT_LUFS


def measured(blocks: Iterable[Samples], channels: int) -> MeasuredLoudness:
    integrated, peak = SILENT_LUFS, 0.0
    for frame in _filtered(blocks, channels, ["ebur128=peak=true:metadata=1"]):
        said = frame.metadata
        integrated = float(said.get("lavfi.r128.I", integrated))
        peak = max(peak, float(said.get("lavfi.r128.true_peak", 0)))
    return MeasuredLoudness(max(integrated, SILENT_LUFS) if math.isfinite(integrated) else SILENT_LUFS, decibels(peak))


def decibels(peak: float) -> float:
    return 20 * math.log10(peak) if peak > 0 else -120.0


def amplified(blocks: Iterable[Samples], gain_db: float) -> Iterator[Samples]:
    factor = np.float32(10 ** (gain_db / 20))
    for block in blocks:
        yield block * factor


def limited(blocks: Iterable[Samples], channels: int, ceiling_dbtp: float) -> Iterator[Samples]:
    """True peaks at most near `ceiling_dbtp`: the limiter works on four times as many samples. Of equal length."""
    ceiling = 10 ** (ceiling_dbtp / 20)
    filters = [
        f"aresample={_OVERSAMPLED}",
        f"alimiter=limit={ceiling:.6f}:attack=5:release=50:level=0:latency=1",
        f"aresample={SAMPLE_RATE}",
        "aformat=sample_fmts=fltp",
    ]
    left = 0

    def counted() -> Iterator[Samples]:
        nonlocal left
        for block in blocks:
            left += block.shape[1]
            yield block

    for frame in _filtered(counted(), channels, filters):
        block = np.asarray(frame.to_ndarray(), np.float32)
        kept = block[:, : max(0, left)]
        left -= kept.shape[1]
        yield kept
    if left > 0:
        yield np.zeros((channels, left), np.float32)


def _filtered(blocks: Iterable[Samples], channels: int, filters: list[str]) -> Iterator[av.AudioFrame]:
    graph = Graph()
    graph.threads = 1
    source = graph.add_abuffer(
        sample_rate=SAMPLE_RATE, format="fltp", layout=layout_of(channels), time_base=Fraction(1, SAMPLE_RATE)
    )
    links = [source]
    for text in filters:
        name, _, arguments = text.partition("=")
        links.append(graph.add(name, arguments or None))
    sink = graph.add("abuffersink")
    graph.link_nodes(*links, sink).configure(auto_buffer=False)
    position = 0
    for block in blocks:
        source.push(frame_of(block, channels, position))
        position += block.shape[1]
        yield from _pulled(sink)
    source.push(None)
    yield from _pulled(sink)


def _pulled(sink: av.filter.context.FilterContext) -> Iterator[av.AudioFrame]:
    while True:
        try:
            yield cast("av.AudioFrame", sink.pull())
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def frame_of(block: Samples, channels: int, position: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout_of(channels))
    frame.sample_rate = SAMPLE_RATE
    frame.pts, frame.time_base = position, Fraction(1, SAMPLE_RATE)
    return frame
