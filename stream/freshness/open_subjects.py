"""Subjects with work left: which parts each stage has settled, and how large the parts are. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stream.events.asset import Outcome
from stream.events.progress import PartReport
from stream.freshness.snapshot import Link
from stream.topology.lanes import Lane
from stream.topology.unit import Unit


@dataclass(slots=True)
class Parts:
    """One stage over one subject; bit k is part k. `turn`: the round of the last report that settled a part."""

    done: int = 0
    failed: int = 0
    turn: int = 0

    @property
    def settled(self) -> int:
        return self.done | self.failed

    def settle(self, bit: int, *, done: bool, turn: int) -> tuple[bool, bool]:
        """Take the report of one part. Whether it is the first that settles the part, and the first that says done."""
        fresh, newly_done = not (self.done | self.failed) & bit, done and not self.done & bit
        if done:
            # Done wins over failed: a replay may succeed after a failure.
            self.done |= bit
            self.failed &= ~bit
        else:
            self.failed |= bit & ~self.done
        self.turn = turn
        return fresh, newly_done


@dataclass(slots=True)
class Sizes:
    """The sizes of a subject's parts, in the counts of one unit: all like the first done one, except the `odd` ones."""

    usual: int | None = None
    odd: dict[int, int] = field(default_factory=dict)

    def put(self, part: int, size: int, *, last: bool) -> None:
        # The last part is usually shorter, so it does not set what is usual.
        if self.usual is None and not last:
            self.usual = size
        if last or size != self.usual:
            self.odd[part] = size
        else:
            self.odd.pop(part, None)

    def of(self, part: int, unit: Unit) -> float:
        """Of this part, in units."""
        size = self.odd.get(part, self.usual)
        return (round(unit.part * unit.scale) if size is None else size) / unit.scale

    def total(self, bits: int, unit: Unit) -> float:
        """The size of these parts, in units."""
        usual = round(unit.part * unit.scale) if self.usual is None else self.usual
        # One product for all usual parts: an asset of a day has thousands of them.
        total = bits.bit_count() * usual
        for part, size in self.odd.items():
            if bits >> part & 1:
                total += size - usual
        return total / unit.scale


@dataclass(slots=True)
class MeanPart:
    """The mean over all subjects, in units."""

    units: float = 0.0
    parts: int = 0

    def put(self, units: float) -> None:
        self.units += units
        self.parts += 1

    def of(self, unit: Unit) -> float:
        # Parts without any quantity say nothing about the size of others.
        return self.units / self.parts if self.units > 0 else unit.part


@dataclass(slots=True)
class OpenSubject:
    """A version of a subject with work left. `first` is the position of its oldest report in the topic of progress."""

    lane: Lane
    clock_ms: int
    first: tuple[int, int]
    gone: int = 0
    stages: dict[str, Parts] = field(default_factory=dict)
    sizes: dict[str, Sizes] = field(default_factory=dict)

    def parts(self, stage: str | None) -> Parts:
        return self.stages.get(stage or "", _NOTHING)

    def settle(self, event: PartReport, turn: int) -> tuple[bool, bool]:
        """Apply a report; see `Parts.settle`. The report of a done part gives its size."""
        done = event.outcome is Outcome.DONE
        if done:
            sizes = self.sizes.get(event.unit)
            if sizes is None:
                sizes = self.sizes[event.unit] = Sizes()
            sizes.put(event.part, max(0, event.quantity), last=event.part == event.parts - 1)
        parts = self.stages.get(event.stage)
        if parts is None:
            parts = self.stages[event.stage] = Parts()
        return parts.settle(1 << event.part, done=done, turn=turn)

    def part_units(self, part: int, unit: Unit, mean: MeanPart) -> float:
        """How much work this part is: as reported in this unit, else a part of mean size."""
        sizes = self.sizes.get(unit.counts)
        return mean.of(unit) if sizes is None else sizes.of(part, unit)

    def units(self, bits: int, unit: Unit, mean: MeanPart) -> float:
        """The amount of work in all these parts, in the same way."""
        sizes = self.sizes.get(unit.counts)
        return bits.bit_count() * mean.of(unit) if sizes is None else sizes.total(bits, unit)

    def waiting(self, link: Link) -> int:
        """Parts that reached the stage and have not left it."""
        before = self.stages.get(link.upstream or "")
        if before is None:
            return 0
        here = self.stages.get(link.stage, _NOTHING)
        arrived = before.done | before.failed if link.failures_arrive else before.done
        # `gone` are parts that were acknowledged without a report: they would wait for ever.
        return arrived & ~(here.done | here.failed | self.gone)

    def wanted(self, entry: str) -> int:
        """Parts that were planned and have not failed at any stage."""
        lost = self.gone
        for parts in self.stages.values():
            lost |= parts.failed
        return self.parts(entry).done & ~lost

    def backlog(self, link: Link, wanted: int) -> int:
        """Of the `wanted` parts, those that did not leave the stage."""
        here = self.stages.get(link.stage)
        return wanted if here is None else wanted & ~here.done

    def open(self, links: Iterable[Link], entry: str) -> bool:
        """Whether a part is on its way to one of these stages, or waits there. A failed one may wait."""
        wanted = self.wanted(entry)
        for link in links:  # noqa: SIM110 - every report asks, and a generator costs more than the question
            if self.backlog(link, wanted) or self.waiting(link):
                return True
        return False


_NOTHING = Parts()
