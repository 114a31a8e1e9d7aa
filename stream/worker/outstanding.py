"""Which planned parts are still outstanding. Pure. The broker's state decides (ADR 0035): a part is outstanding while
the stage that it waits for has not passed it. So a part that an operator skipped or purged is recognised as lost.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.events.asset import Outcome
from stream.events.base import Payload
from stream.events.progress import PartReport, SubjectKey, ended_by, progress_of
from stream.topology.admission_policy import Hop

SLACK_MS = 30_000
"""A record and its report are appended within this time of each other."""
READ_BACK_TIMEOUT_S = 60.0
"""A plan that is not read back within this time counts as appended at the moment when it was made."""
MAX_PARTS = 50_000
"""Above this number the oldest parts are forgotten."""


class PartName(NamedTuple):
    """One part of a version of a subject."""

    subject: SubjectKey
    part: int


@dataclass(slots=True)
class _Part:
    """When each stage reported the part, by the broker's clock. `turn`: the number of checks begun before its last
    report.
    """

    planned_ms: int
    read_back: bool = False
    reached: dict[str, int] = field(default_factory=dict)
    failed_at: str | None = None
    turn: int = 0


Left = Mapping[str, int | None]
"""Stage to the append time in ms of the oldest record of its hop's topic that it has not acknowledged; None for none.
"""


class Outstanding:
    """The fold of `progress`. A check has five steps: receive everything, `begin_check`, ask the broker for `Left`,
    receive everything again, `end_check`. A part that is not reported in between is lost if its stage has passed it.

    Errors go one way: a missed report may cause work to be done twice, but nothing is waited for without end.
    """

    def __init__(self, planner: str, way: Sequence[Hop]) -> None:
        self._planner = planner
        self.way = tuple(way)
        self._parts: dict[PartName, _Part] = {}
        self._turn = 0

    def __contains__(self, name: PartName) -> bool:
        return name in self._parts

    def apply(self, payload: Payload, now_ms: int, at_ms: int | None = None) -> None:
        """`at_ms`: when the broker appended the event; None for an event that is about to be sent."""
        if (report := progress_of(payload)) is not None:
            self._reported(PartName(report.subject, report.part), report, now_ms, at_ms)
        elif (ended := ended_by(payload)) is not None and ended.deleted:
            gone = ended.subject
            held = [it for it in self._parts if it.subject.owner == gone.owner and it.subject.version <= gone.version]
            self._forget(held)

    def begin_check(self) -> None:
        self._turn += 1

    def end_check(self, left: Left, now_ms: int) -> list[PartName]:
        """The parts that are lost. They are forgotten."""
        lost = [name for name, part in self._parts.items() if part.turn < self._turn and self._lost(part, left, now_ms)]
        self._forget(lost)
        return lost

    def _reported(self, name: PartName, event: PartReport, now_ms: int, at_ms: int | None) -> None:
        part = self._parts.get(name)
        if event.stage == self._planner and event.outcome is Outcome.DONE:
            if part is None:
                part = self._parts[name] = _Part(now_ms, turn=self._turn)
                part.reached[self._planner] = now_ms
                # Bounded, as a process runs for months: a forgotten part may be planned twice, which is harmless.
                if len(self._parts) > MAX_PARTS:
                    del self._parts[next(iter(self._parts))]
            if at_ms is not None:
                part.read_back, part.reached[self._planner] = True, at_ms
        if part is None:
            return
        part.turn = self._turn
        if event.stage != self._planner:
            part.reached[event.stage] = now_ms if at_ms is None else at_ms
        if event.outcome is not Outcome.DONE and part.failed_at is None:
            part.failed_at = event.stage
        if not any(self._ahead(part)) and all(hop.reports for hop in self.way):
            del self._parts[name]  # with a stage that does not report, the part may still return to an earlier stage

    def _ahead(self, part: _Part) -> Iterator[Hop]:
        """The reporting stages that have not reported the part and still may."""
        for hop in self.way:
            if hop.reports and hop.stage not in part.reached and (part.failed_at is None or hop.failures):
                yield hop

    def _lost(self, part: _Part, left: Left, now_ms: int) -> bool:
        # The producer may still hold the plan, so the broker's offsets say nothing about it yet.
        if not part.read_back and now_ms - part.planned_ms < READ_BACK_TIMEOUT_S * 1000:
            return False
        waits = list(self._ahead(part))
        if not waits:
            # The last stage reports nothing: only an empty backlog of its readers shows that the part is through.
            again = {hop.topic for hop in self.way if not hop.reports}
            return all(left.get(hop.stage) is None for hop in self.way if hop.topic in again)
        return any(self._passed(hop, part, left) for hop in waits)

    def _passed(self, hop: Hop, part: _Part, left: Left) -> bool:
        """Whether the stage has no unacknowledged record that is as old as the part's record."""
        since_ms = part.reached.get(part.failed_at or hop.after)
        if since_ms is None:
            return False  # the part has not reached the stage
        oldest_ms = left.get(hop.stage)
        return oldest_ms is None or oldest_ms > since_ms + SLACK_MS

    def _forget(self, names: Iterable[PartName]) -> None:
        for name in names:
            self._parts.pop(name, None)
