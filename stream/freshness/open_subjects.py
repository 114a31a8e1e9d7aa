"""Subjects with work left: which parts each stage has settled, and how large the parts are. Pure."""

from dataclasses import dataclass, field

from stream.events.asset import Outcome
from stream.events.progress import PartReport
from stream.freshness.snapshot import Link
from stream.topology.lanes import Lane
from stream.topology.unit import Unit


@dataclass(slots=True)
class Parts:
    """One stage over one subject: bit k is part k. `turn`: the round of the last report that settled one."""

    done: int = 0
    failed: int = 0
    turn: int = 0

    @property
    def settled(self) -> int:
        return self.done | self.failed


@dataclass(slots=True)
class Sizes:
    """How large the parts of a subject are, in what one unit counts: as the first that was done, but for the `odd`."""

    usual: int | None = None
    odd: dict[int, int] = field(default_factory=dict)

    def put(self, part: int, size: int, *, last: bool) -> None:
        if self.usual is None and not last:
            self.usual = size
        if last or size != self.usual:
            self.odd[part] = size
        else:
            self.odd.pop(part, None)

    def total(self, bits: int, unit: Unit) -> float:
        """Of these parts, in units."""
        usual = round(unit.part * unit.scale) if self.usual is None else self.usual
        total = bits.bit_count() * usual
        for part, size in self.odd.items():
            if bits >> part & 1:
                total += size - usual
        return total / unit.scale


@dataclass(slots=True)
class MeanPart:
    """Over all subjects, in units."""

    units: float = 0.0
    parts: int = 0

    def put(self, units: float) -> None:
        self.units += units
        self.parts += 1

    def of(self, unit: Unit) -> float:
        return self.units / self.parts if self.units > 0 else unit.part


@dataclass(slots=True)
class OpenSubject:
    """A version of a subject with work left. `first` is where its oldest report lies in the topic of progress."""

    lane: Lane
    clock_ms: int
    first: tuple[int, int]
    gone: int = 0
    stages: dict[str, Parts] = field(default_factory=dict)
    sizes: dict[str, Sizes] = field(default_factory=dict)

    def parts(self, stage: str | None) -> Parts:
        return self.stages.get(stage or "", _NOTHING)

    def measured(self, event: PartReport) -> None:
        """A part that is done has this size."""
        if event.outcome is Outcome.DONE:
            sizes = self.sizes.setdefault(event.unit, Sizes())
            sizes.put(event.part, max(0, event.quantity), last=event.part == event.parts - 1)

    def units(self, bits: int, unit: Unit, mean: MeanPart) -> float:
        """How much work these parts are: as reported in this unit, else with parts of mean size."""
        sizes = self.sizes.get(unit.counts)
        return bits.bit_count() * mean.of(unit) if sizes is None else sizes.total(bits, unit)

    def waiting(self, link: Link) -> int:
        """Parts that reached the stage and did not leave it."""
        before = self.parts(link.upstream)
        arrived = before.settled if link.failures_arrive else before.done
        return arrived & ~(self.parts(link.stage).settled | self.gone)

    def backlog(self, link: Link, entry: str) -> int:
        """Parts that were planned and neither left the stage nor failed on the way to it."""
        lost = self.gone
        for parts in self.stages.values():
            lost |= parts.failed
        return self.parts(entry).done & ~(self.parts(link.stage).settled | lost)


_NOTHING = Parts()
