"""The understand operator: `frames` records in, one `annotations` record per cell out."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream.errors import Fatal, StageError
from stream.events.aim import NO_AIM, Aim
from stream.events.annotations import Annotations
from stream.events.base import Event
from stream.events.frames import Frames
from stream.events.ids import digest
from stream.events.progress import Cost, segment_report
from stream.operators.decode import failed_segments
from stream.operators.plan import progressed


class Annotator(Protocol):
    """A bundle of models (`models.bundle.Bundle`)."""

    @property
    def digest(self) -> str: ...
    def open(self) -> None: ...
    def close(self) -> None: ...
    def annotate(self, frames: Sequence[Frames], *, epoch_ms: int) -> list[Annotations]: ...


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """What this process has used so far: of its CPUs, in all threads, and of an accelerator."""

    cpu_us: int
    device_us: int = 0

    def since(self, before: "ResourceUsage", *, shared_by: int) -> Cost:
        """The part of each of so many cells."""
        parts = max(1, shared_by)
        return Cost((self.cpu_us - before.cpu_us) // parts, (self.device_us - before.device_us) // parts)


def process_usage() -> ResourceUsage:
    """The models' threads are the process's: in one that runs other stages beside them, theirs are counted too."""
    return ResourceUsage(time.process_time_ns() // 1000)


def held_device_usage() -> ResourceUsage:
    """An accelerator is held for as long as a batch takes; results are on the host at its end."""
    return ResourceUsage(time.process_time_ns() // 1000, time.perf_counter_ns() // 1000)


class UnderstandOperator:
    """Runs the bundle over whatever cells are at hand; a result never depends on its neighbours in the batch. `usage`
    is read before and after, for the progress events. With `alone`, nobody else works on the same cells.

    A cell that an older roll-out planned is done with the models that are here; the index asks for those that were done
    before. One that was planned for other models of the same or a later roll-out ends the process (`Fatal`,
    `other_models`): another one has to do it.
    """

    def __init__(
        self,
        annotator: Annotator,
        *,
        epoch_ms: int,
        usage: Callable[[], ResourceUsage] = process_usage,
        watch: Callable[[Annotations], None] | None = None,
        alone: bool = False,
    ) -> None:
        self._alone = alone
        self._annotator = annotator
        self._epoch_ms = epoch_ms
        self._usage = usage
        self._watch = watch

    def open(self) -> None:
        self._annotator.open()

    def close(self) -> None:
        self._annotator.close()

    def process(self, events: Sequence[Event[Frames]]) -> Iterable[Event]:
        cells = [event.data for event in events]
        for cell in cells:
            # Before the models run: cells for other models are another process's work (ADR 0034).
            self._require_ours(cell.span.aim)
        before = self._usage()
        annotated = self._annotator.annotate(cells, epoch_ms=self._epoch_ms)
        # A batch is measured as a whole. Its cells share the cost equally.
        cost = self._usage().since(before, shared_by=len(cells))
        for event, cell, annotations in zip(events, cells, annotated, strict=True):
            if self._watch is not None:
                self._watch(annotations)
            header = annotations.header
            yield event.derive(
                annotations,
                id=digest(
                    "annotations", header.segment_id, header.space.key, *header.order.version, header.epoch_ms, 0
                ),
            )
            count, length_ns = header.segment_count, cell.span.media.duration_ns
            yield progressed(
                event, segment_report(header.asset, "understand", cell.segment, count, length_ns, cost=cost)
            )

    def _require_ours(self, aim: Aim) -> None:
        # Alone, or without a plan's aim, or the same models, or an older roll-out: then these models are right.
        if self._alone or aim == NO_AIM or aim.understand == self._annotator.digest or aim.epoch_ms < self._epoch_ms:
            return
        raise Fatal(
            f"footage is planned for the models of space {aim.space} (roll-out {aim.epoch_ms}), this process has others"
            f" (roll-out {self._epoch_ms}): give every process of a roll-out the same models, or begin a new roll-out"
            " with a later --epoch-ms",
            code="other_models",
        )

    def failed(self, event: Event[Frames], error: StageError) -> Iterable[Event]:
        cell = event.data
        yield from failed_segments(event, cell.span.narrowed(cell.segment), "understand", error)

    def replayable(self, event: Event[Frames]) -> Event:
        """A replay decodes again: the dead letter holds the span, not the pixels."""
        cell = event.data
        # Pixels are large and can be made again. A letter with them would fill the store.
        return event.derive(cell.span.narrowed(cell.segment), id=digest("span", cell.segment_id))
