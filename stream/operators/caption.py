"""The caption operator (optional): captions thumbnails of cells, sends the same rows again with revision + 1."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from stream.errors import StageError
from stream.events.annotations import Annotations
from stream.events.base import Event
from stream.events.ids import digest


class ThumbnailCaptioner(Protocol):
    def open(self) -> None: ...
    def close(self) -> None: ...
    def recaption(self, annotations: Annotations) -> Annotations:
        """The same moments with this captioner's captions as indexed text, revision + 1."""


class CaptionOperator:
    """Searchable first, captioned later. A cell that cannot be captioned keeps its first revision."""

    def __init__(self, captioner: ThumbnailCaptioner) -> None:
        self._captioner = captioner

    def open(self) -> None:
        self._captioner.open()

    def close(self) -> None:
        self._captioner.close()

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        for event in events:
            data = event.data
            # A revision above 0 is a caption already: the topic also carries this stage's own output.
            if isinstance(data, Annotations) and data.header.revision == 0 and data.rows.num_rows:
                captioned = self._captioner.recaption(data)
                header = captioned.header
                # Made of facts alone, so that a cell that is captioned twice gives the same event.
                name = digest("caption", header.segment_id, header.space.key, *header.order.version, header.epoch_ms)
                yield event.derive(replace(data, header=header, rows=captioned.rows), id=name)

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:  # noqa: ARG002 - the first revision stands
        return ()
