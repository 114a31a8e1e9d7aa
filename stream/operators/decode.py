"""The decode operator: spans in, one `frames` record per cell out."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from stream.errors import StageError, Superseded
from stream.events.asset import Outcome, SegmentFailed, SpanPlanned
from stream.events.base import Event
from stream.events.frames import EncodedFrames
from stream.events.ids import digest
from stream.events.progress import Cost, segment_report
from stream.operators.plan import progressed

if TYPE_CHECKING:
    from stream.worker.beside_records import Division

STRETCH = 4
"""Cells that are decoded at least before a span gives way: each stretch decodes its run-in."""


class SpanDecoder(Protocol):
    """What decodes a span, cell by cell (`decoders.sandbox.pool.DecodePool`)."""

    def decode(self, span: SpanPlanned) -> Generator[EncodedFrames]: ...


class DecodeOperator:
    """Streams: each cell is sent as soon as it is decoded. `warm` waits for the decoder, before there is a record that
    would wait for it. A span is divided at its cells.
    """

    def __init__(self, decoder: SpanDecoder, warm: Callable[[], None] = lambda: None) -> None:
        self._decoder = decoder
        self._warm = warm
        self._division: Division | None = None

    def divide_with(self, division: "Division") -> None:
        self._division = division

    def open(self) -> None:
        self._warm()

    def close(self) -> None:
        pass

    def process(self, events: Sequence[Event[SpanPlanned]]) -> Iterable[Event]:
        for event in events:
            division = self._division
            span = event.data
            begin = span.first_segment + (division.done() if division is not None else 0)
            with closing(self._decoder.decode(span.model_copy(update={"first_segment": begin}))) as cells:
                for frames in cells:
                    yield from _cell(event, frames)
                    done = frames.segment + 1 - begin
                    if (
                        division is not None
                        and STRETCH <= done < span.end_segment - begin
                        and division.gives_way(frames.segment + 1 - span.first_segment)
                    ):
                        return

    def failed(self, event: Event[SpanPlanned], error: StageError) -> Iterable[Event]:
        yield from failed_segments(event, event.data, "decode", error)


def _cell(event: Event[SpanPlanned], frames: EncodedFrames) -> Iterator[Event]:
    span = event.data
    yield event.derive(frames, id=digest("frames", frames.segment_id, *span.asset.version))
    cost = Cost(cpu_us=frames.cpu_us, read_bytes=frames.read_bytes)
    count, length_ns = span.segment_count, span.media.duration_ns
    # After the frames: a reader of `progress` must not see a cell that was never sent.
    yield progressed(event, segment_report(span.asset, "decode", frames.segment, count, length_ns, cost=cost))


def failed_segments(event: Event, span: SpanPlanned, stage: str, error: StageError) -> Iterator[Event]:
    """`SegmentFailed` and progress for the cells the error is about (all of the span's where it does not say)."""
    outcome = Outcome.SUPERSEDED if isinstance(error, Superseded) else Outcome.FAILED
    for segment in error.segments or range(span.first_segment, span.end_segment):
        # One event for each cell: an asset with one bad place stays usable elsewhere (ADR 0005).
        failure = SegmentFailed(
            asset=span.asset,
            content_key=span.content_key,
            segment=segment,
            outcome=outcome,
            stage=stage,
            code=error.code,
            # Messages may quote a source, so they are bounded before they travel.
            message=error.message[:2000],
        )
        # Without the code: a cell that fails again in another way is still the same failed cell.
        identity = digest("failed", span.segment_id(segment), *span.asset.version, stage)
        yield event.derive(failure, id=identity)
        count, length_ns = span.segment_count, span.media.duration_ns
        yield progressed(event, segment_report(span.asset, stage, segment, count, length_ns, outcome=outcome))
