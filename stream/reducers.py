"""Pure reducers over `progress`: who is how far, and who used how much. Order and duplication do not matter."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stream.events.asset import AssetChanged, AssetRef, Outcome, SegmentProgressed
from stream.events.base import Payload
from stream.events.ids import AssetVersion


@dataclass(slots=True)
class StageProgress:
    """Cells a stage is through with, as bitmaps (bit k is cell k). `failed` holds cells that only ever failed."""

    done: int = 0
    failed: int = 0
    done_ns: int = 0
    failed_ns: int = 0

    def add(self, event: SegmentProgressed) -> bool:
        """Whether the event told anything new. The first write per cell wins, except that done beats failed."""
        bit = 1 << event.segment
        if self.done & bit:
            return False
        if event.outcome is Outcome.DONE:
            if self.failed & bit:
                self.failed &= ~bit
                self.failed_ns -= event.video_ns
            self.done |= bit
            self.done_ns += event.video_ns
            return True
        if self.failed & bit:
            return False
        self.failed |= bit
        self.failed_ns += event.video_ns
        return True

    @property
    def settled_ns(self) -> int:
        return self.done_ns + self.failed_ns

    @property
    def cells_done(self) -> int:
        return self.done.bit_count()


@dataclass(slots=True)
class AssetProgress:
    """One asset version: its latest status, and progress per stage until it is final."""

    status: AssetChanged | None = None
    stages: dict[str, StageProgress] = field(default_factory=dict)


@dataclass(slots=True)
class Progress:
    """The state behind live progress. Keyed by (tenant, asset id, version)."""

    assets: dict[tuple[str, str, AssetVersion], AssetProgress] = field(default_factory=dict)

    def apply(self, payloads: Iterable[Payload]) -> None:
        """Fold in events of the `progress` topic; other payloads are ignored."""
        for payload in payloads:
            if isinstance(payload, SegmentProgressed):
                stages = self._asset(payload.asset).stages
                stages.setdefault(payload.stage, StageProgress()).add(payload)
            elif isinstance(payload, AssetChanged):
                self._change(payload)

    def _asset(self, ref: AssetRef) -> AssetProgress:
        return self.assets.setdefault((ref.tenant, ref.asset_id, ref.version), AssetProgress())

    def _change(self, event: AssetChanged) -> None:
        asset = self._asset(event.asset)
        if asset.status is None or _rank(event) >= _rank(asset.status):
            asset.status = event

    def changes(self) -> Iterator[AssetChanged]:
        """The latest status of every asset version seen, in the order first seen."""
        return (asset.status for asset in self.assets.values() if asset.status is not None)

    def totals(self) -> dict[str, StageProgress]:
        """Video time per stage over all assets (bitmaps are not summed)."""
        totals: dict[str, StageProgress] = {}
        for asset in self.assets.values():
            for name, stage in asset.stages.items():
                total = totals.setdefault(name, StageProgress())
                total.done_ns += stage.done_ns
                total.failed_ns += stage.failed_ns
        return totals

    def backlog_ns(self, stage: str) -> int:
        """Video time planned and not yet settled by `stage`."""
        totals = self.totals()
        return max(0, totals.get("plan", StageProgress()).done_ns - totals.get(stage, StageProgress()).settled_ns)


def _rank(event: AssetChanged) -> tuple[int, bool, str]:
    """Statuses of one version only ever grow: more cells done, then final; the name breaks ties the same way always."""
    return event.segments_done, event.status.final, event.status.value
