"""What work will probably cost, by what equal work has cost (pure). A budget reserves these figures."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

RateKind = Literal["whole", "divide", "part", "join", "deliver"]
"""A `begin` is `whole` where it does the work at once, and `divide` where parts follow."""
MEGAPIXEL, TASK = "megapixel", "task"
"""Units of work: frames times width times height in millions where settings tell, else tasks."""
ASSUMED_CPU_S: Mapping[str, float] = {MEGAPIXEL: 0.02, TASK: 1.0}
ASSUMED_BYTES: Mapping[str, float] = {MEGAPIXEL: 50_000.0, TASK: 1_000_000.0}
ASSUMED_FACTOR = 10.0
"""How far off an assumption may be, either way."""
_DELIVERED_SHARE = 0.1
"""Finals are compressed, and what they are made of is not."""
_NEWEST_WEIGHT = 0.2
_LEAST_SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of an operator's work of a kind took. The newest tasks weigh most. `cpu_variance` of `cpu_s`."""

    operator: str
    kind: RateKind
    unit: str
    tasks: int
    cpu_s: float
    cpu_variance: float
    wall_s: float
    written_bytes: float

    def with_task(self, cpu_s: float, wall_s: float, written_bytes: float) -> "Rate":
        """With one task more, given for each unit."""
        weight = max(_NEWEST_WEIGHT, 1 / (self.tasks + 1))
        step = cpu_s - self.cpu_s
        return replace(
            self,
            tasks=self.tasks + 1,
            cpu_s=self.cpu_s + weight * step,
            cpu_variance=(1 - weight) * (self.cpu_variance + weight * step * step),
            wall_s=self.wall_s + weight * (wall_s - self.wall_s),
            written_bytes=self.written_bytes + weight * (written_bytes - self.written_bytes),
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """`low_cpu_s` and `high_cpu_s`: between them with some confidence. `tasks`: on how many it rests; 0 is a guess."""

    cpu_s: float = 0.0
    low_cpu_s: float = 0.0
    high_cpu_s: float = 0.0
    wall_s: float = 0.0
    written_bytes: float = 0.0
    tasks: int = 0

    def times(self, count: float) -> "Estimate":
        """Of so many alike, which are wrong alike."""
        scaled = {name: value * count for name, value in asdict(self).items() if name != "tasks"}
        return replace(self, **scaled)

    def plus(self, other: "Estimate") -> "Estimate":
        """It rests on the weaker of both."""
        mine, theirs = asdict(self), asdict(other)
        summed = {name: mine[name] + theirs[name] for name in mine}
        return Estimate(**(summed | {"tasks": min(self.tasks, other.tasks)}))


class Rates:
    """Known rates, and what is assumed where there is none."""

    def __init__(self, rates: Iterable[Rate] = ()) -> None:
        self._rates: dict[tuple[str, str, str], Rate] = {(rate.operator, rate.kind, rate.unit): rate for rate in rates}

    def task(self, operator: str, kind: str, amount: float | None) -> Estimate:
        """Of one task. `kind` as tasks have it; `amount` in megapixels, where that is known."""
        unit, units = unit_of(amount)
        if kind != "begin":
            return self._of(operator, kind, unit).times(units)
        whole, divided = self._begun(operator, unit)
        if not whole + divided:
            return _assumed(unit, kind).times(units)
        share = divided / (whole + divided)
        mixed = self._of(operator, "whole", unit).times(1 - share), self._of(operator, "divide", unit).times(share)
        return (mixed[0] if not divided else mixed[1] if not whole else mixed[0].plus(mixed[1])).times(units)

    def stage(self, operator: str, amount: float | None) -> Estimate:
        """Of a whole stage of one variant, with its parts and their joining."""
        unit, units = unit_of(amount)
        begun = self.task(operator, "begin", amount)
        _, divided = whole_and_divided = self._begun(operator, unit)
        if not divided:
            return begun
        share = divided / sum(whole_and_divided)
        part, join = self._of(operator, "part", unit), self._of(operator, "join", unit)
        # Parts of a known amount make that up together; else there are as many as there were until now.
        parts = units if unit == MEGAPIXEL else part.tasks / divided
        return begun.plus(part.times(share * parts)).plus(join.times(share * units))

    def _begun(self, operator: str, unit: str) -> tuple[int, int]:
        """How many stages were done at once, and how many in parts."""
        whole = self._rates.get((operator, "whole", unit))
        divided = self._rates.get((operator, "divide", unit))
        return whole.tasks if whole else 0, divided.tasks if divided else 0

    def _of(self, operator: str, kind: str, unit: str) -> Estimate:
        rate = self._rates.get((operator, kind, unit))
        if rate is None:
            return _assumed(unit, kind)
        # One task says little of the next.
        spread = max(_LEAST_SPREAD, rate.cpu_variance**0.5 / rate.cpu_s if rate.cpu_s else 0.0) + 1 / rate.tasks
        low, high = rate.cpu_s / (1 + spread), rate.cpu_s * (1 + spread)
        return Estimate(rate.cpu_s, low, high, rate.wall_s, rate.written_bytes, rate.tasks)


def rates_json(rates: Iterable[Rate]) -> list[dict[str, Any]]:
    return [asdict(rate) for rate in rates]


def rates_of(content: bytes | None) -> Rates:
    """From the document that a coordinator wrote; without one everything is assumed."""
    return Rates(Rate(**each) for each in json.loads(content or b"[]"))


def unit_of(amount: float | None) -> tuple[str, float]:
    """What work of this size is measured in, and how many of it; a task where no size is known."""
    return (MEGAPIXEL, amount) if amount else (TASK, 1.0)


def _assumed(unit: str, kind: str) -> Estimate:
    cpu_s, written = ASSUMED_CPU_S[unit], ASSUMED_BYTES[unit]
    if kind == "deliver":
        return Estimate(written_bytes=written * _DELIVERED_SHARE)
    return Estimate(cpu_s, cpu_s / ASSUMED_FACTOR, cpu_s * ASSUMED_FACTOR, cpu_s, written, 0)
