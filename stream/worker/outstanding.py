"""Which planned parts are still on their way (pure). What the broker shows decides: a part is on its way while the
stage that it waits for has not gone past it. What was skipped or purged is known to be lost that way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.events.asset import Outcome
from stream.events.base import Payload
from stream.events.progress import PartReport, SubjectKey, ended_by, progress_of
from stream.topology.admission_policy import Hop

SLACK_MS = 30_000
"""A record and the report that goes with it are appended within this time."""
UNHEARD_S = 60.0
"""A plan that is not read back after this time is believed to have been sent when it was made."""
MAX_PARTS = 50_000
"""Of more the oldest are forgotten."""


class PartName(NamedTuple):
    """One part of a version of a subject."""

    subject: SubjectKey
    part: int


@dataclass(slots=True)
class _Part:
    """When each stage reported it, by the broker's clock. `turn`: after which look that was heard last."""

    planned_ms: int
    heard: bool = False
    reached: dict[str, int] = field(default_factory=dict)
    failed_at: str | None = None
    turn: int = 0


Left = Mapping[str, int | None]
"""Stage to the append time of the oldest record of its hop's topic that it has not acknowledged; None for none."""


class Outstanding:
    """The fold of `progress`. A look is: hear everything, `begin_look`, ask what is `Left`, hear everything again,
    `end_look`. What has not moved meanwhile though the stage it waits for is past it will not come.

    Errs on one side: of news that are missed a part may be done twice, none is waited for in vain.
    """

    def __init__(self, planner: str, way: Sequence[Hop]) -> None:
        self._planner = planner
        self.way = tuple(way)
        self._parts: dict[PartName, _Part] = {}
        self._turn = 0

    def __contains__(self, name: PartName) -> bool:
        return name in self._parts

    def apply(self, payload: Payload, now_ms: int, at_ms: int | None = None) -> None:
        """`at_ms`: when the broker appended the event; None for one that is about to be sent."""
        if (report := progress_of(payload)) is not None:
            self._reported(PartName(report.subject, report.part), report, now_ms, at_ms)
        elif (ended := ended_by(payload)) is not None and ended.deleted:
            gone = ended.subject
            held = [it for it in self._parts if it.subject.owner == gone.owner and it.subject.version <= gone.version]
            self._forget(held)

    def begin_look(self) -> None:
        self._turn += 1

    def end_look(self, left: Left, now_ms: int) -> list[PartName]:
        """The parts that will not come; they are forgotten."""
        lost = [name for name, part in self._parts.items() if part.turn < self._turn and self._lost(part, left, now_ms)]
        self._forget(lost)
        return lost

    def _reported(self, name: PartName, event: PartReport, now_ms: int, at_ms: int | None) -> None:
        part = self._parts.get(name)
        if event.stage == self._planner and event.outcome is Outcome.DONE:
            if part is None:
                part = self._parts[name] = _Part(now_ms, turn=self._turn)
                part.reached[self._planner] = now_ms
                if len(self._parts) > MAX_PARTS:
                    del self._parts[next(iter(self._parts))]
            if at_ms is not None:
                part.heard, part.reached[self._planner] = True, at_ms
        if part is None:
            return
        part.turn = self._turn
        if event.stage != self._planner:
            part.reached[event.stage] = now_ms if at_ms is None else at_ms
        if event.outcome is not Outcome.DONE and part.failed_at is None:
            part.failed_at = event.stage
        if not any(self._ahead(part)) and all(hop.reports for hop in self.way):
            del self._parts[name]  # else a stage that reports nothing sends it round again

    def _ahead(self, part: _Part) -> Iterator[Hop]:
        """The reporting stages that have not told of it and still may."""
        for hop in self.way:
            if hop.reports and hop.stage not in part.reached and (part.failed_at is None or hop.failures):
                yield hop

    def _lost(self, part: _Part, left: Left, now_ms: int) -> bool:
        if not part.heard and now_ms - part.planned_ms < UNHEARD_S * 1000:
            return False
        waits = list(self._ahead(part))
        if not waits:
            again = {hop.topic for hop in self.way if not hop.reports}
            return all(left.get(hop.stage) is None for hop in self.way if hop.topic in again)
        return any(self._past(hop, part, left) for hop in waits)

    def _past(self, hop: Hop, part: _Part, left: Left) -> bool:
        """Whether the stage has nothing left that is as old as the part's record."""
        since_ms = part.reached.get(part.failed_at or hop.after)
        if since_ms is None:
            return False  # it has not come that far
        oldest_ms = left.get(hop.stage)
        return oldest_ms is None or oldest_ms > since_ms + SLACK_MS

    def _forget(self, names: Iterable[PartName]) -> None:
        for name in names:
            self._parts.pop(name, None)
