"""Batches through the operator: what fails is halved until the culprits stand alone."""

from collections.abc import Iterable, Sequence

from stream.broker.contract import Delivery
from stream.errors import Fatal, Unavailable
from stream.events.base import Event
from stream.worker.context import StageContext
from stream.worker.decoding import parts_of
from stream.worker.error_handling import ErrorHandling
from stream.worker.interruptions import Interruptions
from stream.worker.membership import Membership
from stream.worker.outputs import Outputs
from stream.worker.pauses import Pauses
from stream.worker.queues import Queue
from stream.worker.work import Work


class Execution:
    """Runs the operator and sends its outputs."""

    def __init__(
        self,
        context: StageContext,
        queue: Queue,
        outputs: Outputs,
        *,
        errors: ErrorHandling,
        membership: Membership,
        pauses: Pauses,
        interruptions: Interruptions,
    ) -> None:
        self._context = context
        self._queue = queue
        self._outputs = outputs
        self._errors = errors
        self._membership = membership
        self._pauses = pauses
        self._interruptions = interruptions
        self._singly = context.stage.batch.max_records == 1
        self._sent: list[Delivery] = []  # of the record that is being tried alone
        self._now_s = float("-inf")  # after the last attempt

    def run(self, parts: list[list[Work]], until_s: float) -> None:
        """Process a batch, or batches of one record, as many as there is time for. `parts` holds the batch at first,
        and at the end, also after an error, what is left to do, last first. Raises `Unavailable`, `Fatal`.
        """
        (taken,) = parts
        if not self._singly:
            self._context.metrics.batch_records.observe(len(taken))
            self._context.metrics.batch_bytes.observe(sum(len(work.record.value) for work in taken))
        parts[:] = parts_of(taken, self._context.decoder, singly=self._singly)
        while parts and not self._interruptions.overdue():
            part = parts[-1]
            self._sent = []
            error = part[0].error or self._attempt(part)
            if error is not None and len(part) > 1:
                parts[-1:] = self._errors.split(part, error)
                continue
            if error is not None:
                self._errors.alone(part[0], error, self._sent)
                self._membership.put_off(part[0])
                self._now_s = self._context.clock.monotonic_s()
            parts.pop()
            if self._singly and self._interruptions.over(self._now_s, until_s):
                break

    def _attempt(self, works: Sequence[Work]) -> Exception | None:
        """Run the operator and send its outputs. The error that is the records' to bear; others are raised."""
        events = [work.event for work in works if work.event is not None]
        started_s = self._context.clock.monotonic_s()
        try:
            outputs = self._queue.charging(works[0], self._context.operator.process(events))
            deliveries = self._streamed(outputs) if len(works) == 1 else self._outputs.send_all(list(outputs))
        except (Fatal, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - an operator's defect is judged like a bad record
            return error
        self._now_s = now_s = self._context.clock.monotonic_s()
        self._context.metrics.processing.observe(now_s - started_s)
        if deliveries is not None:
            self._outputs.settle_later(works, deliveries, outcome="done", now_s=now_s)
            self._errors.succeeded(len(works))
            self._pauses.succeeded()
        return None

    def _streamed(self, outputs: Iterable[Event]) -> list[Delivery] | None:
        """Send as they come; None if the drain's deadline cut the work short."""
        for output in outputs:
            if self._interruptions.overdue():
                return None
            self._sent.append(self._outputs.send(output))
        return self._sent
