"""The coordinate operator: submissions, commands and ended tasks in, the next tasks out. One replica, one register."""

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream.clock import Clock
from stream.errors import BadEvent, StageError
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.events.ids import typed_digest
from stream.events.jobs import (
    JobContinued,
    JobControlled,
    JobEnded,
    JobSubmitted,
    TaskAsked,
    TaskContinued,
    TaskEnded,
    TenantBudgeted,
)
from stream.events.objects import Digest
from stream.jobs.budgets import budget_name
from stream.jobs.coordination import Coordinator
from stream.jobs.descriptions import Descriptions, Operators
from stream.jobs.estimates import rates_json
from stream.jobs.notices import Notices
from stream.jobs.objects import ContentObjects, Documents
from stream.jobs.prices import PriceTable
from stream.jobs.register import JobRegister, JobRow
from stream.jobs.reports import RATES, awaiting, rows_of, stage_counts, status_name, status_of, variants_name
from stream.jobs.reviews import LOOK_S, Verdicts
from stream.jobs.states import JobState
from stream.jobs.sweep import Sweep
from stream.jobs.turns import Turns

TELL_S = 1.0
"""How often the state of a job that goes on is told."""
_ROWS_PER_S = 500.0
"""The table of a large job is told less often."""
_REMEMBERED = 10_000
Heard = JobSubmitted | JobControlled | TenantBudgeted | JobContinued | JobEnded | TaskContinued | TaskEnded
_SWEEPS = 4
"""Looks for lost tasks within the time after which one is."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a coordinator works with. `slots`: tasks that are asked for at a time. `afresh`: the broker keeps nothing
    over a start, so nobody works on what was asked for. `lost_after_s`: a task of which nothing was heard for so long
    is looked for in the ledger, and asked for again. `ended_kept_s`: so long after its end a job can be begun again.
    `most_bytes`: see `Turns`. `prices`: of what variants use, where there are any. `verdicts`: what understanding says
    of finals. `publish`: takes them, where no topic does.
    """

    register: Path
    objects: Callable[[str], ContentObjects]
    documents: Documents
    operators: Operators
    slots: int
    afresh: bool = False
    lost_after_s: float = 300.0
    ended_kept_s: float = 30 * 86_400.0
    most_bytes: float = float("inf")
    prices: PriceTable | None = None
    verdicts: Verdicts | None = None
    publish: Callable[[Event[AssetPublished]], None] | None = None


class CoordinateOperator:
    """Every batch is one transaction; its tasks leave after it is durable. What was asked for when a coordinator was
    killed is asked for again by the next one: equal work is found in the ledger. An event that comes again may have
    been done without its tasks having left: those of them that have not ended are sent again.
    """

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._register: JobRegister | None = None
        self._told: dict[int, tuple[float, JobState]] = {}
        self._followed: OrderedDict[str, list[tuple[str, str]]] = OrderedDict()
        self._changed: set[int] = set()
        self._left: set[str] = set()
        self._run = ""
        self._again = False

    def open(self) -> None:
        if self._register is not None:
            self._register.close()
        desk = self._desk
        self._register = register = JobRegister(desk.register)
        self._coordinator = Coordinator(
            register, Descriptions(desk.objects), desk.operators, self._clock, desk.prices, desk.documents
        )
        self._notices = Notices(register, self._clock)
        self._begin_run()
        self._turns = Turns(register, self._coordinator, desk.slots, self._clock, desk.most_bytes)
        self._sweep = Sweep(
            register,
            self._coordinator,
            self._turns,
            desk.objects,
            lost_after_s=desk.lost_after_s,
            clock=self._clock,
        )
        self._swept_s = self._looked_s = self._clock.monotonic_s()
        self._again = not desk.afresh
        if desk.afresh:
            with register.changing():
                self._turns.forget_asked()

    def close(self) -> None:
        if self._register is not None:
            self._tell(final=True)
            self._register.close()
            self._register = None

    def due(self) -> Iterable[Event]:
        """What time alone brings: states that were not told yet, and now and then the sweep."""
        register = self._register
        assert register is not None, "opened before"
        # First: where it is refused, nothing was asked for that could not leave then.
        self._tell(final=False)
        asked: list[tuple[JobRow, TaskAsked]] = []
        if self._clock.monotonic_s() - self._swept_s >= self._desk.lost_after_s / _SWEEPS:
            self._swept_s = self._clock.monotonic_s()
            with register.changing():
                register.close_ended(self._clock.now_ms() - round(self._desk.ended_kept_s * 1000))
                self._changed |= self._sweep.jobs()
                asked = self._sweep.run() + self._turns.take()
                self._changed |= {job.id for job, _ in asked} | self._coordinator.budgets.changed_jobs()
                self._noted(register.job_by_id(number) for number in self._changed)
        asked += self._judged()
        return [*(_event(job, task) for job, task in asked), *map(_goes_on, self._turns.going_on()), *self._leaving()]

    def process(self, events: Sequence[Event[Heard]]) -> Iterable[Event]:
        register = self._register
        assert register is not None, "opened before"
        with register.changing():
            for event in events:
                self._apply(event)
            followed = [key for event in events for key in self._followed.get(event.id, ())]
            asked = self._turns.asked() if self._again else self._turns.again(dict.fromkeys(followed))
            asked += self._turns.take()
            heard = {(event.tenant, named) for event in events if (named := _job_of(event.data)) is not None}
            names = heard | {(job.tenant, job.name) for job, _ in asked}
            self._changed |= self._noted(job for name in names if (job := register.job(*name)) is not None)
            self._changed |= self._noted(map(register.job_by_id, self._coordinator.budgets.changed_jobs()))
        if self._again or any(event.id in self._followed for event in events):
            # What was sent with them may never have left.
            self._begin_run()
        self._again = False
        self._remember(events, asked)
        self._tell(final=False)
        return [*(_event(job, task) for job, task in asked), *map(_goes_on, self._turns.going_on()), *self._leaving()]

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:  # noqa: ARG002 - the letter tells
        return ()

    def _begin_run(self) -> None:
        """Nothing is known to have left yet."""
        self._left.clear()
        self._run = secrets.token_hex(8)

    def _noted(self, jobs: Iterable[JobRow]) -> set[int]:
        """Enter what there is to tell of jobs; which they are."""
        found = set()
        for job in jobs:
            self._notices.note(job)
            found.add(job.id)
        return found

    def _leaving(self) -> list[Event]:
        """Notices and finals that this process has not sent yet."""
        register = self._register
        assert register is not None, "opened before"
        with register.changing():
            finals = self._coordinator.reviews.leaving(self._run)
        fresh: list[Event] = [event for event in self._notices.unsent() if event.id not in self._left]
        self._left.update(event.id for event in fresh)
        if self._desk.publish is None:
            return [*fresh, *finals]
        for event in finals:
            self._desk.publish(event)
        return fresh

    def _judged(self) -> list[tuple[JobRow, TaskAsked]]:
        """Now and then: what follows from what is known of published finals."""
        register, now_s = self._register, self._clock.monotonic_s()
        assert register is not None, "opened before"
        if self._desk.verdicts is None or now_s - self._looked_s < LOOK_S:
            return []
        self._looked_s = now_s
        with register.changing():
            jobs = self._coordinator.judged(self._desk.verdicts)
            asked = self._turns.take() if jobs else []
            jobs |= self._coordinator.budgets.changed_jobs()
            self._changed |= self._noted(register.job_by_id(number) for number in jobs)
        return asked

    def _apply(self, event: Event[Heard]) -> None:
        match event.data:
            case JobSubmitted() as data:
                self._coordinator.submitted(event.tenant, event.project, data, event.traceparent)
            case JobControlled() as data:
                self._coordinator.controlled(event.tenant, data)
            case TenantBudgeted() as data:
                self._coordinator.budgeted(event.tenant, data)
            case JobEnded():
                # It came back from the topic, so it is there. A broker that keeps nothing proves nothing by that.
                if not self._desk.afresh:
                    self._notices.sent(event.id)
            case JobContinued():
                pass  # the next turns are what it asks for
            case TaskContinued() as data:
                self._coordinator.continued(event.tenant, data)
            case TaskEnded() as data:
                self._coordinator.ended(event.tenant, data)

    def _remember(self, events: Sequence[Event], asked: Sequence[tuple[JobRow, TaskAsked]]) -> None:
        keys = [(job.tenant, task.key) for job, task in asked]
        for event in events:
            self._followed[event.id] = keys
        while len(self._followed) > _REMEMBERED:
            self._followed.popitem(last=False)

    def _tell(self, *, final: bool) -> None:
        """Write the documents of jobs that changed: at once when their state is another, else now and then."""
        register, now_s = self._register, self._clock.monotonic_s()
        assert register is not None, "opened before"
        for tenant in self._coordinator.budgets.changed_tenants():
            self._write_budget(tenant)
        self._changed |= self._turns.changed_jobs()
        for number in list(self._changed):
            job = register.job_by_id(number)
            if job.closed:
                self._changed.discard(number)  # what was told of it stays
                continue
            told_s, state = self._told.get(number, (float("-inf"), None))
            due = now_s - told_s >= max(TELL_S, job.total / _ROWS_PER_S)
            # At once: workers stop what is canceled by it, and take up again what is begun again.
            if due or final or state is not job.state or job.state.ended:
                self._write(register, job)
                self._told[number] = now_s, job.state
                self._changed.discard(number)

    def _write(self, register: JobRegister, job: JobRow) -> None:
        stages = list(job.stages)
        now_ms, prices = self._clock.now_ms(), self._desk.prices
        status = status_of(job, *stage_counts(register, job, stages), now_ms, prices)
        status |= {"held_up": self._turns.holds_up(job), "awaiting": awaiting(register, job)}
        # Who can see that no process holds its folder knows by it that nobody is at its tasks.
        status |= {"embedded": self._desk.afresh}
        held = self._held(job)
        rows = [
            row | ({"held": held[row["number"]]} if row["number"] in held else {})
            for row in rows_of(register, job, stages, now_ms, prices)
        ]
        documents = self._desk.documents
        documents.write(variants_name(job.tenant, job.name), json.dumps(rows).encode())
        if self._coordinator.budgets.tenant(job.tenant).cpu_s is not None:
            self._write_budget(job.tenant)
        # Last: who sees that a job has ended finds its variants as they ended.
        documents.write(status_name(job.tenant, job.name), json.dumps(status).encode())
        if job.state.ended:
            documents.write(RATES, json.dumps(rates_json(register.rates())).encode())

    def _held(self, job: JobRow) -> dict[int, list[Digest]]:
        """What has to stay for blocked variants, as the table of variants says it."""
        try:
            return self._coordinator.held_finals(job) if job.blocked else {}
        except BadEvent:
            return {}  # without it, nothing that is newer than the job is removed

    def _write_budget(self, tenant: str) -> None:
        told = self._coordinator.budgets.tenant(tenant).told()
        self._desk.documents.write(budget_name(tenant), json.dumps(told).encode())


def _job_of(data: Heard) -> str | None:
    return None if isinstance(data, TenantBudgeted) else data.job


def _goes_on(job: JobRow) -> Event[JobContinued]:
    return Event(
        data=JobContinued(job=job.name),
        tenant=job.tenant,
        project=job.project,
        subject=job.name,
        event_time_ms=job.submitted_ms,
        id=typed_digest("job continued", job.tenant, job.name, job.waiting),
        traceparent=job.trace,
    )


def _event(job: JobRow, task: TaskAsked) -> Event:
    return Event(
        data=task,
        tenant=job.tenant,
        project=job.project,
        subject=job.name,
        event_time_ms=job.submitted_ms,
        id=typed_digest("task asked", job.tenant, task.key, task.attempt),
        traceparent=job.trace,
    )
