"""Tasks of which nothing was heard for long: what the ledger knows is entered, the rest is asked for again."""

from collections.abc import Callable, Sequence

from stream.clock import Clock
from stream.events.jobs import TaskAsked, TaskEnded
from stream.events.objects import Known, TaskCost
from stream.jobs.coordination import Coordinator
from stream.jobs.objects import ContentObjects
from stream.jobs.register import JobRegister, JobRow, TaskRow
from stream.jobs.turns import Turns

MOST = 50
"""Tasks of one sweep; the others are those of the next ones."""
_DOUBLED = 4
"""So often the time after which a task counts as lost doubles, each time that it was asked for again."""


class Sweep:
    """Reports can be lost: a topic that lost records, a dead letter, a register from a backup. Nobody would ever end
    such a task, and it would hold its place among the `slots` for ever.

    Whoever is at a task for long tells so (`TaskContinued`). A task that waits behind others is asked for twice, which
    costs a look into the ledger.
    """

    def __init__(
        self,
        register: JobRegister,
        coordinator: Coordinator,
        turns: Turns,
        objects: Callable[[str], ContentObjects],
        *,
        lost_after_s: float,
        clock: Clock,
    ) -> None:
        self._register = register
        self._coordinator = coordinator
        self._turns = turns
        self._objects = objects
        self._lost_after_ms = round(lost_after_s * 1000)
        self._clock = clock

    def run(self) -> list[tuple[JobRow, TaskAsked]]:
        """Within the transaction of the caller: the tasks to be sent again. Jobs of tasks that are ended by it may have
        more to ask for. Raises `Unavailable` where the ledger does not answer.
        """
        lost = []
        for tenant, key in self._overdue():
            task = self._register.task(tenant, key)
            # An earlier one of this sweep may have ended it too.
            if task is not None and not self._ended(task):
                lost.append((tenant, key))
        return self._turns.again(lost)

    def jobs(self) -> set[int]:
        """Those that the next sweep is about."""
        return {task.job for key in self._overdue() if (task := self._register.task(*key)) is not None}

    def _overdue(self) -> Sequence[tuple[str, str]]:
        rows = self._register.all(
            "SELECT tenant, key FROM task WHERE asked = 1"
            " AND asked_ms + ? * (1 << MIN(MAX(attempt - 1, 0), ?)) <= ? ORDER BY asked_ms, id LIMIT ?",
            self._lost_after_ms,
            _DOUBLED,
            self._clock.now_ms(),
            MOST,
        )
        return [(row["tenant"], row["key"]) for row in rows]

    def _ended(self, task: TaskRow) -> bool:
        """Whether it needs no worker any more."""
        asked = TaskAsked.from_bytes(task.body.encode())
        if not self._register.waiting_for(task.id):
            self._coordinator.ended(task.tenant, _end(asked, "canceled", task.attempt, Known()))
            return True
        objects = self._objects(task.tenant)
        known = objects.known(asked.key) or (objects.known(asked.stage_key) if asked.kind == "begin" else None)
        if known is None:
            return False
        if known.made_ms < self._register.job_by_id(task.job).submitted_ms:
            known = known.model_copy(update={"cost": TaskCost()})  # others have paid for it
        self._coordinator.ended(task.tenant, _end(asked, "done", task.attempt, known))
        return True


def _end(asked: TaskAsked, outcome: str, attempt: int, known: Known) -> TaskEnded:
    # Its own report, should it come after all, finds no task to charge.
    return TaskEnded.model_validate(
        {
            "job": asked.job,
            "variant": asked.variant,
            "kind": asked.kind,
            "key": asked.key,
            "outcome": outcome,
            "attempt": attempt,
            "outputs": known.outputs,
            "parts": known.parts,
            "cost": known.cost,
        }
    )
