"""What a job will probably take, from its description and what equal work has taken. It begins and stores nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stream.jobs.delivering import DELIVERY
from stream.jobs.descriptions import Description, Operators
from stream.jobs.estimates import Estimate, Rates
from stream.jobs.expansion import StageOfVariant, Variant
from stream.jobs.keys import canonical, digest_key
from stream.jobs.prices import PriceTable


@dataclass(frozen=True, slots=True)
class StageForecast:
    """Of one stage in all variants. `computed`: how often it is done, as equal work is done once."""

    name: str
    operator: str
    computed: int
    estimate: Estimate
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """`stages` in order, the delivery last."""

    variants: int
    stages: tuple[StageForecast, ...]

    @property
    def total(self) -> Estimate:
        return _sum([stage.estimate for stage in self.stages if stage.computed])

    def wall_s(self, renderers: int) -> float:
        """With so many tasks at a time. Never less than one variant alone takes."""
        alone = sum(stage.estimate.wall_s / stage.computed for stage in self.stages if stage.computed)
        return max(alone, self.total.wall_s / renderers)

    def told(self, prices: PriceTable | None, renderers: int) -> dict[str, Any]:
        """As JSON. Money is of CPU, of the results while the job runs, and of what is delivered."""
        total, wall_s = self.total, self.wall_s(renderers)
        delivered = self.stages[-1].estimate.written_bytes
        # Results come at an even pace, so that each lies there half of the time on average.
        stored = (total.written_bytes - delivered) * wall_s / 7200
        found: dict[str, Any] = {"estimate": _told(total) | {"wall_s": round(wall_s, 1), "renderers": renderers}}
        if prices is not None:
            each = {"low": total.low_cpu_s, "likely": total.cpu_s, "high": total.high_cpu_s}
            found["money"] = {"currency": prices.currency} | {
                name: prices.money(_units(cpu_s, stored, delivered))["total"] for name, cpu_s in each.items()
            }
        return found | {"stages": [_stage_told(stage) for stage in self.stages]}


def forecast(described: Description, operators: Operators, rates: Rates) -> Forecast:
    """Of a description that has no problems. Raises `BadRequest` where it has one after all."""
    counts = _Counts(described, operators)
    for variant in described.variants:
        counts.add(variant)
    stages = [
        StageForecast(
            stage.name, stage.operator, len(tally.works), _stages(rates, stage.operator, tally), tally.outputs
        )
        for stage, tally in zip(described.template.stages, counts.stages, strict=True)
    ]
    delivered = [rates.task(DELIVERY, "deliver", amount).times(count) for amount, count in counts.deliveries.items()]
    last = StageForecast(DELIVERY, DELIVERY, len(described.variants), _sum(delivered))
    return Forecast(len(described.variants), (*stages, last))


@dataclass(slots=True)
class _Tally:
    """Of one stage until now: which works there are, how many of each amount, and what each gives."""

    works: set[str] = field(default_factory=set)
    amounts: Counter[float | None] = field(default_factory=Counter)
    outputs: tuple[str, ...] = ()


class _Counts:
    """How often each stage is done, and how large it is then."""

    def __init__(self, described: Description, operators: Operators) -> None:
        self.stages = [_Tally() for _ in described.template.stages]
        self.deliveries: Counter[float | None] = Counter()
        self._described = described
        self._operators = operators
        self._checked: dict[bytes, dict[str, Any]] = {}

    def add(self, variant: Variant) -> None:
        works: dict[str, str] = {}
        amounts: dict[str, float] = {}
        for index, tally in enumerate(self.stages):
            stage = self._described.stage(variant.number, index)
            settings = self._settings(stage)
            works[stage.name] = work = _work(stage, settings, works)
            earlier = {name: source.name for name, source in stage.inputs.items() if source.kind == "stage"}
            known = {name: amounts[made] for name, made in earlier.items() if made in amounts}
            amount = self._operators.amount(stage.operator, settings, known)
            if amount is not None:
                amounts[stage.name] = amount
            if work not in tally.works:
                tally.works.add(work)
                tally.amounts[amount] += 1
                tally.outputs = tally.outputs or tuple(self._operators.outputs(stage.operator, settings))
        self.deliveries[max(amounts.values(), default=None)] += 1

    def _settings(self, stage: StageOfVariant) -> dict[str, Any]:
        """Operators are asked once for equal settings."""
        asked = canonical([stage.operator, dict(stage.settings), sorted(stage.inputs)])
        if asked not in self._checked:
            self._checked[asked] = self._operators.checked(stage.operator, stage.settings, tuple(stage.inputs))
        return self._checked[asked]


def _stages(rates: Rates, operator: str, tally: _Tally) -> Estimate:
    return _sum([rates.stage(operator, amount).times(count) for amount, count in tally.amounts.items()])


def _work(stage: StageOfVariant, settings: Mapping[str, Any], earlier: Mapping[str, str]) -> str:
    """Equal for equal work, as far as that is known before anything is made."""
    made_of = {
        name: [source.kind, earlier.get(source.name, "") if source.kind == "stage" else source.name, source.file]
        for name, source in stage.inputs.items()
    }
    facts = {"operator": stage.operator, "settings": dict(settings), "of": made_of, "seed": stage.seed}
    return digest_key("forecast", facts)


def _sum(estimates: list[Estimate]) -> Estimate:
    if not estimates:
        return Estimate()
    total = estimates[0]
    for each in estimates[1:]:
        total = total.plus(each)
    return total


def _units(cpu_s: float, stored_byte_hours: float, delivered_bytes: float) -> dict[str, float]:
    nothing = {"gpu_s": 0.0, "wasted_cpu_s": 0.0, "wasted_gpu_s": 0.0}
    return nothing | {"cpu_s": cpu_s, "stored_byte_hours": stored_byte_hours, "delivered_bytes": delivered_bytes}


def _told(estimate: Estimate) -> dict[str, Any]:
    return {
        "cpu_s": round(estimate.cpu_s, 3),
        "low_cpu_s": round(estimate.low_cpu_s, 3),
        "high_cpu_s": round(estimate.high_cpu_s, 3),
        "written_bytes": round(estimate.written_bytes),
        "measured_tasks": estimate.tasks,
    }


def _stage_told(stage: StageForecast) -> dict[str, Any]:
    facts = {"name": stage.name, "operator": stage.operator, "outputs": list(stage.outputs)}
    return facts | {
        "computed": stage.computed,
        "estimate": _told(stage.estimate) | {"wall_s": round(stage.estimate.wall_s, 1)},
    }
