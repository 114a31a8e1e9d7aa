"""Runs batches through the operator. A batch that fails is halved until each faulty record stands alone."""

from collections.abc import Callable, Iterable, Sequence

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
        newcomer: Callable[[], bool],
    ) -> None:
        """`newcomer`: looks whether a record waits before which the one in hand should stop."""
        self._context = context
        self._queue = queue
        self._outputs = outputs
        self._errors = errors
        self._membership = membership
        self._pauses = pauses
        self._interruptions = interruptions
        self._newcomer = newcomer
        self._in_hand: Work | None = None  # that is tried alone
        self._singly = context.stage.batch.max_records == 1
        self._sent: list[Delivery] = []  # outputs of the record that is tried alone
        self._now_s = float("-inf")  # after the last attempt

    def run(self, parts: list[list[Work]], until_s: float) -> None:
        """Process a batch, or as many one-record batches as the time allows. `parts` holds the batch at first. At the
        end, also after an error, it holds what is left to do, the first part at the end. Raises `Unavailable`, `Fatal`.
        """
        (taken,) = parts
        if not self._singly:
            self._context.metrics.batch_records.observe(len(taken))
            self._context.metrics.batch_bytes.observe(sum(len(work.record.value) for work in taken))
        parts[:] = parts_of(taken, self._context.decoder, singly=self._singly)
        while parts and not self._interruptions.overdue():
            part = parts[-1]
            self._in_hand = part[0] if len(part) == 1 else None
            # A new list for each part: deliveries of an earlier record must not delay the settlement of this one.
            self._sent = [*part[0].sent] if self._in_hand else []
            error = part[0].error or self._attempt(part)
            if part[0].gave_way:
                part[0].sent = self._sent
                return
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

    def done(self) -> int:
        """`Division.done`."""
        return self._in_hand.pieces if self._in_hand is not None else 0

    def gives_way(self, done: int) -> bool:
        """`Division.gives_way`."""
        work = self._in_hand
        # One that may have killed its reader is tried with nothing else in flight, and one that failed goes first.
        if work is None or work.alone or work.record.deaths is not None or not self._newcomer():
            return False
        work.pieces, work.gave_way = done, True
        return True

    def _attempt(self, works: Sequence[Work]) -> Exception | None:
        """Run the operator and send its outputs. Returns an error that belongs to the records; raises any other."""
        events = [work.event for work in works if work.event is not None]
        started_s = self._context.clock.monotonic_s()
        try:
            outputs = self._queue.charging(works[0], self._context.operator.process(events))
            # One record streams its outputs, as an asset may yield thousands. A batch sends only once it is whole, so
            # that a batch that fails and is halved has sent nothing twice.
            deliveries = self._streamed(outputs) if len(works) == 1 else self._outputs.send_all(list(outputs))
        except (Fatal, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - a defect of an operator counts like a faulty record
            return error
        self._now_s = now_s = self._context.clock.monotonic_s()
        self._context.metrics.processing.observe(now_s - started_s)
        if deliveries is not None:
            self._outputs.settle_later(works, deliveries, outcome="done", now_s=now_s)
            self._errors.succeeded(len(works))
            self._pauses.succeeded()
        return None

    def _streamed(self, outputs: Iterable[Event]) -> list[Delivery] | None:
        """Send outputs as the operator yields them; None if the work was stopped by the deadline of the drain, or
        before a newcomer.
        """
        for output in outputs:
            if self._interruptions.overdue():
                return None
            self._sent.append(self._outputs.send(output))
        return None if self._in_hand is not None and self._in_hand.gave_way else self._sent
