"""What an ended task cost: charged to its job and variant, and taken into the rates by which others are estimated."""

from collections.abc import Sequence

from stream.clock import Clock
from stream.events.jobs import TaskEnded
from stream.events.objects import TaskCost
from stream.jobs.estimates import Rate, RateKind, unit_of
from stream.jobs.register import JobRegister, Need, TaskRow


class Charges:
    """Works within the transaction of its caller."""

    def __init__(self, register: JobRegister, clock: Clock) -> None:
        self._register = register
        self._clock = clock

    def charge(self, task: TaskRow, data: TaskEnded, needs: Sequence[Need]) -> None:
        """To the job that asked for it, and the first of its variants that waits for it. A result that nobody waits
        for any more is wasted like a failure.
        """
        of_job = [need for need in needs if need.job == task.job]
        number = of_job[0].number if of_job else None
        self._spend(task, number, data, wasted=data.outcome != "done" or not needs)
        if data.outcome == "done" and not data.reused:
            self._measure(task, data)

    def _spend(self, task: TaskRow, number: int | None, data: TaskEnded, *, wasted: bool) -> None:
        cost, job = data.cost, self._register.job_by_id(task.job)
        delivers = task.kind == "deliver"
        written, delivered = (0, cost.written_bytes) if delivers else (cost.written_bytes, 0)
        age_ms = max(0, self._clock.now_ms() - job.submitted_ms)
        spent = (
            cost.cpu_s,
            cost.gpu_s,
            cost.cpu_s if wasted else 0.0,
            cost.gpu_s if wasted else 0.0,
            written,
            float(written * age_ms),
            delivered,
        )
        both = (
            "cpu_s = cpu_s + ?, gpu_s = gpu_s + ?, wasted_cpu_s = wasted_cpu_s + ?, wasted_gpu_s = wasted_gpu_s + ?,"
            " written_bytes = written_bytes + ?, written_byte_ms = written_byte_ms + ?,"
            " delivered_bytes = delivered_bytes + ?"
        )
        self._register.change(
            f"UPDATE job SET {both}, wall_s = wall_s + ?, read_bytes = read_bytes + ?,"  # noqa: S608 - our words
            " computed = computed + ?, reused = reused + ? WHERE id = ?",
            *spent,
            cost.wall_s,
            cost.read_bytes,
            not data.reused,
            data.reused,
            task.job,
        )
        if number is not None:
            self._register.change(f"UPDATE variant SET {both} WHERE job = ? AND number = ?", *spent, task.job, number)  # noqa: S608 - our words

    def _measure(self, task: TaskRow, data: TaskEnded) -> None:
        if data.kind == "deliver" and not data.cost.written_bytes:
            return  # it was brought nowhere
        unit, units = unit_of(task.amount)
        kind = _kind(data)
        before = (rate for rate in self._register.rates(task.operator) if (rate.kind, rate.unit) == (kind, unit))
        rate = next(before, None) or Rate(task.operator, kind, unit, 0, 0.0, 0.0, 0.0, 0.0)
        cost: TaskCost = data.cost
        self._register.keep_rate(rate.with_task(cost.cpu_s / units, cost.wall_s / units, cost.written_bytes / units))


def _kind(data: TaskEnded) -> RateKind:
    if data.kind == "begin":
        return "divide" if data.parts else "whole"
    return data.kind
