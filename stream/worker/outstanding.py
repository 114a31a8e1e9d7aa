"""Which planned cells are still on their way (pure). What the broker shows decides: a cell is on its way while the
stage that it waits for has not gone past it. What was skipped or purged is known to be lost that way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.events.asset import AssetChanged, AssetStatus, Outcome, SegmentProgressed
from stream.events.base import Payload
from stream.events.ids import AssetVersion
from stream.topology.admission_policy import Hop

SLACK_MS = 30_000
"""A record and the report that goes with it are appended within this time."""
UNHEARD_S = 60.0
"""A plan that is not read back after this time is believed to have been sent when it was made."""
MAX_CELLS = 50_000
"""Of more the oldest are forgotten."""


class CellName(NamedTuple):
    """One cell of an asset version."""

    tenant: str
    asset_id: str
    version: AssetVersion
    segment: int


@dataclass(slots=True)
class _Cell:
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

    Errs on one side: of news that are missed a cell may be done twice, none is waited for in vain.
    """

    def __init__(self, planner: str, way: Sequence[Hop]) -> None:
        self._planner = planner
        self.way = tuple(way)
        self._cells: dict[CellName, _Cell] = {}
        self._turn = 0

    def __contains__(self, name: CellName) -> bool:
        return name in self._cells

    def apply(self, payload: Payload, now_ms: int, at_ms: int | None = None) -> None:
        """`at_ms`: when the broker appended the event; None for one that is about to be sent."""
        if isinstance(payload, SegmentProgressed):
            ref = payload.asset
            self._reported(CellName(ref.tenant, ref.asset_id, ref.version, payload.segment), payload, now_ms, at_ms)
        elif isinstance(payload, AssetChanged) and payload.status is AssetStatus.DELETED:
            ref = payload.asset
            gone = [it for it in self._cells if it[:2] == (ref.tenant, ref.asset_id) and it.version <= ref.version]
            self._forget(gone)

    def begin_look(self) -> None:
        self._turn += 1

    def end_look(self, left: Left, now_ms: int) -> list[CellName]:
        """The cells that will not come; they are forgotten."""
        lost = [name for name, cell in self._cells.items() if cell.turn < self._turn and self._lost(cell, left, now_ms)]
        self._forget(lost)
        return lost

    def _reported(self, name: CellName, event: SegmentProgressed, now_ms: int, at_ms: int | None) -> None:
        cell = self._cells.get(name)
        if event.stage == self._planner and event.outcome is Outcome.DONE:
            if cell is None:
                cell = self._cells[name] = _Cell(now_ms, turn=self._turn)
                cell.reached[self._planner] = now_ms
                if len(self._cells) > MAX_CELLS:
                    del self._cells[next(iter(self._cells))]
            if at_ms is not None:
                cell.heard, cell.reached[self._planner] = True, at_ms
        if cell is None:
            return
        cell.turn = self._turn
        if event.stage != self._planner:
            cell.reached[event.stage] = now_ms if at_ms is None else at_ms
        if event.outcome is not Outcome.DONE and cell.failed_at is None:
            cell.failed_at = event.stage
        if not any(self._ahead(cell)) and all(hop.reports for hop in self.way):
            del self._cells[name]  # else a stage that reports nothing sends it round again

    def _ahead(self, cell: _Cell) -> Iterator[Hop]:
        """The reporting stages that have not told of it and still may."""
        for hop in self.way:
            if hop.reports and hop.stage not in cell.reached and (cell.failed_at is None or hop.failures):
                yield hop

    def _lost(self, cell: _Cell, left: Left, now_ms: int) -> bool:
        if not cell.heard and now_ms - cell.planned_ms < UNHEARD_S * 1000:
            return False
        waits = list(self._ahead(cell))
        if not waits:
            again = {hop.topic for hop in self.way if not hop.reports}
            return all(left.get(hop.stage) is None for hop in self.way if hop.topic in again)
        return any(self._past(hop, cell, left) for hop in waits)

    def _past(self, hop: Hop, cell: _Cell, left: Left) -> bool:
        """Whether the stage has nothing left that is as old as the cell's record."""
        since_ms = cell.reached.get(cell.failed_at or hop.after)
        if since_ms is None:
            return False  # it has not come that far
        oldest_ms = left.get(hop.stage)
        return oldest_ms is None or oldest_ms > since_ms + SLACK_MS

    def _forget(self, names: Iterable[CellName]) -> None:
        for name in names:
            self._cells.pop(name, None)
