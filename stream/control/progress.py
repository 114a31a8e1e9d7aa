"""Live progress and usage as pure folds over `progress` events: any order and any duplication gives the same state."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from stream.events.asset import AssetChanged, AssetStatus, Outcome
from stream.events.base import Payload
from stream.events.progress import MAX_PARTS, PartReport, SubjectKey, progress_of, subject_of

ALL = -1
"""The bitmap of a stage that has done every part: all bits of -1 are set."""

_STATUS_RANK = (
    AssetStatus.PLANNED,
    AssetStatus.FAILED,
    AssetStatus.PARTIAL,
    AssetStatus.READY,
    AssetStatus.DELETED,
)


@dataclass(frozen=True, slots=True)
class StageProgress:
    """One stage over one version of a subject. Bit k of a bitmap is part k; the first report of a part counts.
    Quantities are in the counts of the stage's unit.

    A full `done` bitmap folds to `ALL`, so a finished subject costs a few words however large it is.
    """

    done: int = 0
    failed: int = 0
    superseded: int = 0
    done_quantity: int = 0
    settled_quantity: int = 0

    def reported(self, event: PartReport) -> "StageProgress":
        """With one more report; unchanged for a duplicate or an impossible part."""
        # Reports come from a topic that others may write to.
        if not event.possible:
            return self
        bit = 1 << event.part
        fresh = not (self.done | self.failed | self.superseded) & bit
        settled = self.settled_quantity + (event.quantity if fresh else 0)
        match event.outcome:
            case Outcome.DONE:
                done = self.done | bit
                quantity = self.done_quantity + (event.quantity if done != self.done else 0)
                folded = ALL if done == (1 << event.parts) - 1 else done
                return replace(self, done=folded, done_quantity=quantity, settled_quantity=settled)
            case Outcome.FAILED:
                return replace(self, failed=self.failed | bit, settled_quantity=settled)
            case Outcome.SUPERSEDED:
                return replace(self, superseded=self.superseded | bit, settled_quantity=settled)
        return self


@dataclass(frozen=True, slots=True)
class SubjectProgress:
    """What is known of one version of a subject: stages by name, and for an asset the highest reported status."""

    parts: int = 0
    stages: Mapping[str, StageProgress] = field(default_factory=dict)
    change: AssetChanged | None = None

    def reported(self, event: PartReport) -> "SubjectProgress":
        stage = self.stages.get(event.stage, StageProgress()).reported(event)
        return replace(
            self,
            # Bounded: the number decides the size of bitmaps, and reports may come from others.
            parts=max(self.parts, min(event.parts, MAX_PARTS)),
            stages={**self.stages, event.stage: stage},
        )

    def changed(self, event: AssetChanged) -> "SubjectProgress":
        """Statuses join: deleted over ready over partial over failed over planned; then the more segments done."""
        # Not the later one: events come in any order, and the result must not depend on it.
        if self.change is not None and standing(self.change) >= standing(event):
            return self
        return replace(self, change=event)

    def parts_done(self, stage: str) -> int:
        done = self.stages.get(stage, StageProgress()).done
        return self.parts if done == ALL else done.bit_count()


@dataclass(frozen=True, slots=True)
class StageTotal:
    """The total over all versions of all subjects, in the counts of the stage's unit. Settled: done, failed,
    superseded.
    """

    done: int = 0
    settled: int = 0


class Progress:
    """The state of the fold, and the questions that people ask of it."""

    def __init__(self) -> None:
        self.subjects: dict[SubjectKey, SubjectProgress] = {}

    def apply(self, payloads: Iterable[Payload]) -> None:
        """Fold events of the `progress` topic; others are ignored."""
        for payload in payloads:
            if (report := progress_of(payload)) is not None:
                self._put(report.subject, self._get(report.subject).reported(report))
            elif isinstance(payload, AssetChanged):
                subject = subject_of(payload.asset)
                self._put(subject, self._get(subject).changed(payload))

    def totals(self) -> dict[str, StageTotal]:
        """Totals per stage, over all events."""
        found: dict[str, StageTotal] = defaultdict(StageTotal)
        for _, name, stage in self._stages():
            total = found[name]
            found[name] = StageTotal(total.done + stage.done_quantity, total.settled + stage.settled_quantity)
        return dict(found)

    def usage(self) -> dict[tuple[str, str], int]:
        """(tenant, stage) to the quantity done, in the counts of the stage's unit; each part of each version counts
        once.
        """
        found: dict[tuple[str, str], int] = defaultdict(int)
        for tenant, name, stage in self._stages():
            found[tenant, name] += stage.done_quantity
        return dict(found)

    def changes(self) -> list[AssetChanged]:
        """The status of the latest version of each asset that has one, by tenant and asset id."""
        latest: dict[tuple[str, str], AssetChanged] = {}
        for key, subject in sorted(self.subjects.items(), key=lambda item: item[0]):
            if subject.change is not None:
                latest[key.tenant, key.id] = subject.change
        return list(latest.values())

    def _stages(self) -> Iterator[tuple[str, str, StageProgress]]:
        for key, subject in self.subjects.items():
            for name, stage in subject.stages.items():
                yield key.tenant, name, stage

    def _get(self, subject: SubjectKey) -> SubjectProgress:
        return self.subjects.get(subject, SubjectProgress())

    def _put(self, subject: SubjectKey, progress: SubjectProgress) -> None:
        self.subjects[subject] = progress


def standing(change: AssetChanged) -> tuple[int, int, str]:
    """A total order, so that the highest status does not depend on the order of arrival."""
    return _STATUS_RANK.index(change.status), change.segments_done, change.model_dump_json()
