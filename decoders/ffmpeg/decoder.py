"""`PyAVDecoder`: footage to frames through FFmpeg. It runs inside a sandboxed child (`decoders.sandbox.child`)."""

from collections.abc import Iterator
from contextlib import closing

import av.logging
import av.subtitles.stream  # av imports it with the first container; by then the sandbox forbids opening files

from decoders.ffmpeg.choice import Wanted
from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.fast import fast_cells
from decoders.ffmpeg.probe import inspect_source
from decoders.ffmpeg.reader import FrameReader
from decoders.ffmpeg.shared import Later, later_part, shared_cell
from decoders.protocol import Inspection, Source
from decoders.sampling.cells import Cell
from decoders.sampling.full import FullSampler
from stream.errors import BadMedia, Superseded
from stream.events.asset import SpanPlanned
from stream.events.frames import Frames


class PyAVDecoder:
    """Keeps one container open over consecutive spans of the same source. Not thread-safe."""

    def __init__(self, limits: MediaLimits | None = None) -> None:
        # FFmpeg's messages may quote the file and our logs hold metadata only; PyAV warns about logging with threads.
        av.logging.set_level(None)
        self._limits = limits or MediaLimits()
        self._source: Source | None = None
        self._reader: FrameReader | None = None
        self._key: tuple[object, ...] = ()

    def inspect(self, source: Source) -> Inspection:
        self._forget()
        return inspect_source(source, self._limits)

    def decode(self, source: Source, span: SpanPlanned, later: Later = lambda: None) -> Iterator[Frames]:
        _check_version(source, span)
        reader = self._reader_for(source, span)
        missing: list[int] = []
        ciphertext = False
        if span.settings.split_ns is None:
            cells = _cells(reader, span)
        else:
            found, ciphertext = shared_cell(reader, span.media.duration_ns, span.settings.split_ns, later)
            cells = iter(found)
        for cell in cells:
            # Again before the last cell: a source that changed in between must not complete its span (ADR 0014).
            if cell.segment == span.end_segment - 1:
                _check_version(source, span)
            if cell.missing:
                missing.append(cell.segment)
            else:
                yield _frames(cell, span, reader)
        # After the good cells, so that damage costs only the cells that it hit (ADR 0005).
        if missing:
            raise _missing(missing, span, encrypted=ciphertext or reader.met_ciphertext)

    def decode_later(self, source: Source, span: SpanPlanned) -> bytes:
        _check_version(source, span)
        if span.settings.split_ns is None:
            raise ValueError("the span has no split")
        self._forget()
        with closing(self._opened(source, span, whole=True)) as reader:
            return later_part(reader, span.media.duration_ns, span.settings.split_ns).to_bytes()

    def _reader_for(self, source: Source, span: SpanPlanned) -> FrameReader:
        key = (span.source.tag, span.source.size_bytes, span.media, span.settings.sample_short_side)
        # `is not`, no comparison: a child keeps its source object only while the source is unchanged.
        if self._reader is None or self._source is not source or key != self._key:
            self._forget()
            whole = span.first_segment == 0 and span.settings.profile == "full"
            self._reader = self._opened(source, span, whole=whole)
            self._source, self._key = source, key
        return self._reader

    def _opened(self, source: Source, span: SpanPlanned, *, whole: bool = False) -> FrameReader:
        return FrameReader(source, span.media, span.settings.sample_short_side, self._limits, whole=whole)

    def _forget(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = self._source = None


def _cells(reader: FrameReader, span: SpanPlanned) -> Iterator[Cell]:
    duration_ns = span.media.duration_ns
    if span.settings.profile == "fast":
        yield from fast_cells(reader, range(span.first_segment, span.end_segment), duration_ns)
        return
    dense = span.settings.dense
    sampler = FullSampler(span.first_segment, span.end_segment, duration_ns, reader.last_ns, dense=dense)
    wanted = None if dense else Wanted(sampler.positions_ns, sampler.end_ns, sampler.passed)
    for frame in reader.frames(sampler.needs_from_ns, sampler.error_at, wanted):
        yield from sampler.push(frame)
        if sampler.done:
            return
    yield from sampler.finish()


def _missing(segments: list[int], span: SpanPlanned, *, encrypted: bool) -> BadMedia:
    number = f"{len(segments)} of {span.end_segment - span.first_segment} segments"
    if encrypted:
        return BadMedia(
            f"pictures are encrypted (copy protection) in {number}; publish a decrypted copy",
            code="encrypted",
            segments=segments,
        )
    return BadMedia(
        f"less than half of the pictures could be decoded in {number}; the file is damaged or cut off there",
        code="missing_frames",
        segments=segments,
    )


def _frames(cell: Cell, span: SpanPlanned, reader: FrameReader) -> Frames:
    width, height = reader.size
    assert cell.colour is not None, "a cell with samples has seen a frame"
    return Frames(
        span=span.narrowed(cell.segment),
        segment=cell.segment,
        width=width,
        height=height,
        colour=cell.colour,
        samples=cell.samples,
        dense=cell.dense,
        dense_times_ns=cell.dense_times_ns,
        damaged=cell.damaged,
    )


def _check_version(source: Source, span: SpanPlanned) -> None:
    if source.version != span.source:
        raise Superseded("the source changed since it was planned; publish the asset again", code="source_changed")
