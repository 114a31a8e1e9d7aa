"""What a job will probably take, from its description and what equal work has taken. It begins and stores nothing."""

from dataclasses import dataclass
from typing import Any

from stream.jobs.delivering import DELIVERY
from stream.jobs.descriptions import Description
from stream.jobs.estimates import Estimate, Rates
from stream.jobs.examination import Examined, StageTally
from stream.jobs.prices import PriceTable


@dataclass(frozen=True, slots=True)
class StageForecast:
    """Of one stage in all variants. `computed`: how often it is done, as equal work is done once. `sized`: whether the
    size of its work is known; of footage that is read nobody knows it yet.
    """

    name: str
    operator: str
    computed: int
    estimate: Estimate
    outputs: tuple[str, ...] = ()
    sized: bool = True


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


def forecast(described: Description, found: Examined, rates: Rates) -> Forecast:
    """Of a description and what it comes to, which has no problems."""
    stages = [
        StageForecast(
            stage.name,
            stage.operator,
            len(tally.works),
            _stages(rates, stage.operator, tally),
            tally.outputs,
            None not in tally.amounts,
        )
        for stage, tally in zip(described.template.stages, found.stages, strict=True)
    ]
    delivered = [rates.task(DELIVERY, "deliver", amount).times(count) for amount, count in found.deliveries.items()]
    sized = None not in found.deliveries
    last = StageForecast(DELIVERY, DELIVERY, len(described.variants), _sum(delivered), sized=sized)
    return Forecast(len(described.variants), (*stages, last))


def _stages(rates: Rates, operator: str, tally: StageTally) -> Estimate:
    return _sum([rates.stage(operator, amount).times(count) for amount, count in tally.amounts.items()])


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
        "sized": stage.sized,
        "estimate": _told(stage.estimate) | {"wall_s": round(stage.estimate.wall_s, 1)},
    }
