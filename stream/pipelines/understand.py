"""The understand operator: `frames` records in, one `annotations` record per cell out."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from stream.errors import StageError
from stream.events.annotations import Annotations
from stream.events.base import Event
from stream.events.frames import Frames
from stream.events.ids import digest
from stream.pipelines.decode import failed_segments
from stream.pipelines.plan import progressed


class Annotator(Protocol):
    """A bundle of models (`models.bundle.Bundle`)."""

    def open(self) -> None: ...
    def close(self) -> None: ...
    def annotate(self, frames: Sequence[Frames], *, epoch_ms: int) -> list[Annotations]: ...


class UnderstandOperator:
    """Runs the bundle over whatever cells are at hand; a result never depends on its neighbours in the batch."""

    def __init__(
        self, annotator: Annotator, *, epoch_ms: int, watch: Callable[[Annotations], None] | None = None
    ) -> None:
        """`watch` is shown every result, for metrics."""
        self._annotator = annotator
        self._epoch_ms = epoch_ms
        self._watch = watch

    def open(self) -> None:
        self._annotator.open()

    def close(self) -> None:
        self._annotator.close()

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        cells = [_frames(event) for event in events]
        for event, cell, annotations in zip(
            events, cells, self._annotator.annotate(cells, epoch_ms=self._epoch_ms), strict=True
        ):
            if self._watch is not None:
                self._watch(annotations)
            header = annotations.header
            yield event.derive(
                annotations,
                id=digest(
                    "annotations", header.segment_id, header.space.key, *header.order.version, header.epoch_ms, 0
                ),
            )
            yield progressed(
                event, header.asset, "understand", cell.segment, header.segment_count, cell.span.media.duration_ns
            )

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        cell = _frames(event)
        yield from failed_segments(event, cell.span.narrowed(cell.segment), "understand", error)

    def replayable(self, event: Event) -> Event:
        """A replay decodes again: the dead letter holds the span, not the pixels."""
        cell = _frames(event)
        return event.derive(cell.span.narrowed(cell.segment), id=digest("span", cell.segment_id))


def _frames(event: Event) -> Frames:
    assert isinstance(event.data, Frames)
    return event.data
