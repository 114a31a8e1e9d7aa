"""What happens to a record that failed: half a batch, another attempt later, or a dead letter."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from stream.broker.contract import Delivery
from stream.errors import BadEvent, Fatal, Retryable, StageError, Superseded, Unavailable, unexpected
from stream.events.base import Event
from stream.topology.topics import DEAD_LETTERS
from stream.worker.buffer import Buffer
from stream.worker.circuit_breaker import CircuitBreaker
from stream.worker.context import StageContext
from stream.worker.dead_letters import Salvaging, dead_letter, identity, replay_record
from stream.worker.outputs import Outputs
from stream.worker.work import Work

_log = logging.getLogger(__name__)


class ErrorHandling:
    """Applies the error kinds of `stream.errors` to records of one stage."""

    def __init__(self, context: StageContext, buffer: Buffer, outputs: Outputs) -> None:
        self._stage = context.stage
        self._operator = context.operator
        self._topics = context.topics
        self._clock = context.clock
        self._metrics = context.metrics
        self._buffer = buffer
        self._outputs = outputs
        self._limit = CircuitBreaker()
        self.succeeded = self._limit.succeeded  # bound once, as it runs for every batch

    def split(self, part: list[Work], error: Exception) -> list[list[Work]]:
        """The parts to try instead of the failed part, the first one at the end of the list. After a passing fault each
        record is delayed by itself and loses no attempt. Any other part is halved.
        """
        # Nobody knows which record caused the fault, so none of them pays with an attempt.
        if isinstance(error, Retryable):
            self._metrics.retried(error.code, len(part))
            self._buffer.delay(part, self._clock.monotonic_s())
            return []
        middle = len(part) // 2
        return [part[middle:], part[:middle]]

    def alone(self, work: Work, error: Exception, sent: Sequence[Delivery] = ()) -> None:
        """The record itself failed. It had `sent` some outputs before; these must become durable too. Raises `Fatal`
        when unexpected errors exceed the limit of the circuit breaker.
        """
        if isinstance(error, Retryable) and work.attempts + 1 < self._stage.retry.max_attempts:
            work.attempts += 1
            self._metrics.retried(error.code, 1)
            self._buffer.delay([work], self._clock.monotonic_s())
            return
        known = self._known(work, error)
        now_s = self._clock.monotonic_s()
        if isinstance(error, Superseded):
            deliveries = [*sent, *self._consequences(work, known)]
            self._outputs.settle_later([work], deliveries, outcome="superseded", now_s=now_s)
        elif work.record.topic == DEAD_LETTERS.name:
            # No dead letter for a dead letter: the next one would fail the same way, without end.
            _log.error("stage %s: dropped an unusable dead letter (%s)", self._stage.name, known.code)
            self._outputs.settle_later([work], sent, outcome="dropped", now_s=now_s)
        else:
            deliveries = [*sent, *self._consequences(work, known), self._send_dead_letter(work, known)]
            self._outputs.settle_later([work], deliveries, outcome="dead_letter", now_s=now_s)
            self._metrics.dead_letter(known.code)

    def _known(self, work: Work, error: Exception) -> StageError:
        if isinstance(error, StageError):
            # A known fault is the record's own, so it counts as handled and never stops the stage.
            self._limit.succeeded()
            return error
        known = unexpected(error)
        _log.error("stage %s: %s", self._stage.name, known.message)
        who = identity(work.record, work.event)
        if self._limit.failed((who.tenant, who.asset_id)):
            raise Fatal(
                f"stage {self._stage.name!r} stopped: too many unexpected errors, the last one: {known.message}",
                code="too_many_unexpected_errors",
            ) from None
        return known

    def _consequences(self, work: Work, error: StageError) -> list[Delivery]:
        """Send what the operator reports about the failure to the rest of the topology."""
        try:
            events = list(self._failure_events(work, error))
        except (Unavailable, Fatal):
            raise
        except Exception as defect:  # noqa: BLE001 - a defect of the operator must not prevent the dead letter
            _log.error("stage %s: failed() raised: %s", self._stage.name, unexpected(defect).message)
            events = []
        return self._outputs.send_all(events)

    def _failure_events(self, work: Work, error: StageError) -> Iterable[Event]:
        if work.event is not None:
            return self._operator.failed(work.event, error)
        return self._operator.unreadable(work.record, error) if isinstance(self._operator, Salvaging) else ()

    def _send_dead_letter(self, work: Work, error: StageError) -> Delivery:
        event = self._dead_letter(work, error)
        try:
            return self._outputs.send(event)
        except BadEvent:  # its own columns make it too large for the topic: keep the identity and the reason
            record = replace(work.record, value=b"", headers={})
            return self._outputs.send(self._dead_letter(replace(work, record=record), error, keep_record=True))

    def _dead_letter(self, work: Work, error: StageError, *, keep_record: bool = False) -> Event:
        replay = None
        if work.event is not None and not keep_record:
            try:
                replay = replay_record(self._operator, work.event, self._topics)
            except Exception as defect:  # noqa: BLE001 - the dead letter keeps the record itself
                _log.error("stage %s: replayable() raised: %s", self._stage.name, unexpected(defect).message)
        return dead_letter(
            work.record,
            work.event,
            error,
            stage=self._stage.name,
            attempts=work.attempts + 1,
            now_ms=self._clock.now_ms(),
            replay=replay,
        )
