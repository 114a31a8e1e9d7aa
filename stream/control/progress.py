"""Live progress and usage as pure folds over `progress` events: any order and any duplication gives the same state."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from stream.events.asset import AssetChanged, AssetRef, AssetStatus, Outcome, SegmentProgressed
from stream.events.base import Payload
from stream.events.grid import MAX_SEGMENTS
from stream.events.ids import AssetVersion

ALL = -1
"""The bitmap of a stage that has done every segment: each bit of -1 is set."""

VersionKey = tuple[str, str, AssetVersion]

_STATUS_RANK = (
    AssetStatus.PLANNED,
    AssetStatus.FAILED,
    AssetStatus.PARTIAL,
    AssetStatus.READY,
    AssetStatus.DELETED,
)


@dataclass(frozen=True, slots=True)
class StageProgress:
    """One stage over one asset version: bit k of a bitmap is segment k; the first report of a segment counts it.

    A full `done` bitmap folds to `ALL`, so a finished asset costs a few words however long it is.
    """

    done: int = 0
    failed: int = 0
    superseded: int = 0
    done_ns: int = 0
    settled_ns: int = 0

    def reported(self, event: SegmentProgressed) -> "StageProgress":
        """With one more report; itself for a duplicate or for what no asset has."""
        if not 0 <= event.segment < event.segment_count <= MAX_SEGMENTS:
            return self
        bit = 1 << event.segment
        fresh = not (self.done | self.failed | self.superseded) & bit
        settled_ns = self.settled_ns + (event.video_ns if fresh else 0)
        match event.outcome:
            case Outcome.DONE:
                done = self.done | bit
                done_ns = self.done_ns + (event.video_ns if done != self.done else 0)
                folded = ALL if done == (1 << event.segment_count) - 1 else done
                return replace(self, done=folded, done_ns=done_ns, settled_ns=settled_ns)
            case Outcome.FAILED:
                return replace(self, failed=self.failed | bit, settled_ns=settled_ns)
            case Outcome.SUPERSEDED:
                return replace(self, superseded=self.superseded | bit, settled_ns=settled_ns)
        return self


@dataclass(frozen=True, slots=True)
class AssetProgress:
    """What is known of one asset version: stages by name, and the highest status it was reported with."""

    segment_count: int = 0
    stages: Mapping[str, StageProgress] = field(default_factory=dict)
    change: AssetChanged | None = None

    def reported(self, event: SegmentProgressed) -> "AssetProgress":
        stage = self.stages.get(event.stage, StageProgress()).reported(event)
        return replace(
            self,
            segment_count=max(self.segment_count, min(event.segment_count, MAX_SEGMENTS)),
            stages={**self.stages, event.stage: stage},
        )

    def changed(self, event: AssetChanged) -> "AssetProgress":
        """Statuses join: deleted over ready over partial over failed over planned; then the more segments done."""
        if self.change is not None and standing(self.change) >= standing(event):
            return self
        return replace(self, change=event)

    def segments_done(self, stage: str) -> int:
        done = self.stages.get(stage, StageProgress()).done
        return self.segment_count if done == ALL else done.bit_count()


@dataclass(frozen=True, slots=True)
class StageTotal:
    """Over all asset versions, in video time: done, and settled (done, failed or superseded)."""

    done_ns: int = 0
    settled_ns: int = 0


class Progress:
    """The fold's state, and what people ask of it."""

    def __init__(self) -> None:
        self.assets: dict[VersionKey, AssetProgress] = {}

    def apply(self, payloads: Iterable[Payload]) -> None:
        """Fold in events of the `progress` topic; others are ignored."""
        for payload in payloads:
            if isinstance(payload, SegmentProgressed):
                self._put(payload.asset, self._get(payload.asset).reported(payload))
            elif isinstance(payload, AssetChanged):
                self._put(payload.asset, self._get(payload.asset).changed(payload))

    def totals(self) -> dict[str, StageTotal]:
        """Per stage, over everything seen."""
        found: dict[str, StageTotal] = defaultdict(StageTotal)
        for _, name, stage in self._stages():
            total = found[name]
            found[name] = StageTotal(total.done_ns + stage.done_ns, total.settled_ns + stage.settled_ns)
        return dict(found)

    def usage(self) -> dict[tuple[str, str], int]:
        """(tenant, stage) to the video time done, in ns; each segment of each asset version counts once."""
        found: dict[tuple[str, str], int] = defaultdict(int)
        for tenant, name, stage in self._stages():
            found[tenant, name] += stage.done_ns
        return dict(found)

    def changes(self) -> list[AssetChanged]:
        """The status of the latest version of each asset that has one, by tenant and asset id."""
        latest: dict[tuple[str, str], AssetChanged] = {}
        for (tenant, asset_id, _), asset in sorted(self.assets.items(), key=lambda item: item[0]):
            if asset.change is not None:
                latest[tenant, asset_id] = asset.change
        return list(latest.values())

    def _stages(self) -> Iterator[tuple[str, str, StageProgress]]:
        for (tenant, _, _), asset in self.assets.items():
            for name, stage in asset.stages.items():
                yield tenant, name, stage

    def _get(self, ref: AssetRef) -> AssetProgress:
        return self.assets.get(_key(ref), AssetProgress())

    def _put(self, ref: AssetRef, asset: AssetProgress) -> None:
        self.assets[_key(ref)] = asset


def _key(ref: AssetRef) -> VersionKey:
    return ref.tenant, ref.asset_id, ref.version


def standing(change: AssetChanged) -> tuple[int, int, str]:
    """A total order, so that the highest does not depend on who came first."""
    return _STATUS_RANK.index(change.status), change.segments_done, change.model_dump_json()
