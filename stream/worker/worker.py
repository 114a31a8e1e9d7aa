"""The one worker: pull, batch, process, send, flush, acknowledge. Stages differ only in their operator."""

import random
import threading
from collections.abc import Mapping
from contextlib import ExitStack

from stream.broker.contract import Broker, Consumer
from stream.clock import Clock
from stream.errors import Unavailable
from stream.observability.metrics import Metrics, StageMetrics
from stream.observability.status import Status, WorkerState
from stream.topology.codec import EventDecoder
from stream.topology.stage import Stage
from stream.topology.topics import TOPICS, Topic
from stream.worker.admission import queue_of
from stream.worker.backpressure import Readers, Throttle
from stream.worker.beside_records import DividedWork, LongWork, TimedWork, WorkInHand
from stream.worker.buffer import Buffer
from stream.worker.context import StageContext
from stream.worker.error_handling import ErrorHandling
from stream.worker.execution import Execution
from stream.worker.interruptions import Interruptions
from stream.worker.membership import Membership
from stream.worker.outputs import Outputs
from stream.worker.pace import DEFAULT_PACE, Pace
from stream.worker.pauses import Pauses
from stream.worker.settlement import Settlement
from stream.worker.work import Work


class Worker:
    """Runs one stage as one member of its consumer group. Call `step` from one thread only.

    `readers` names the consumer groups of each topic that throttles the stage (see `Topology.readers`). Raises
    `ValueError` for a stage that cannot work: unknown topics, ambiguous targets, a throttle without readers.
    """

    def __init__(
        self,
        stage: Stage,
        broker: Broker,
        *,
        clock: Clock,
        metrics: Metrics,
        readers: Readers | None = None,
        topics: Mapping[str, Topic] = TOPICS,
        pace: Pace = DEFAULT_PACE,
        rng: random.Random | None = None,
    ) -> None:
        unknown = [source for source in stage.sources if source not in topics]
        if unknown or not stage.sources:
            raise ValueError(f"stage {stage.name!r}: unknown source topics {unknown or '(none given)'}")
        context = StageContext(
            stage,
            stage.operator(),
            topics,
            EventDecoder(topics[source] for source in stage.sources),
            StageMetrics(metrics, stage.name),
            clock,
        )
        self._broker = broker
        self._clock = clock
        self._pace = pace
        self._operator = context.operator
        self._opened = False
        # Found out once: such a look costs as much as a small record.
        self._timed = self._operator if isinstance(self._operator, TimedWork) else None
        self._timed_s = float("-inf")
        self._status = Status(stage.name, context.metrics)
        self._pauses = Pauses(stage, self._status, context.metrics, clock)
        self._throttle = Throttle(stage, broker, readers or {}, metrics, interval_s=pace.throttle_interval_s)
        self._membership = Membership(stage, broker, self._status)
        self._queue = queue_of(context)
        self._buffer = Buffer(stage, rng or random.Random(), self._queue)
        self._outputs = Outputs(stage, broker.producer(), topics, context.metrics)
        self._interruptions = Interruptions(self._throttle, self._outputs, clock, pace.drain_s)
        if isinstance(self._operator, LongWork):
            self._operator.work_with(WorkInHand(self._membership, self._outputs, self._interruptions))
        self._settlement = Settlement(
            self._outputs, self._buffer, pauses=self._pauses, status=self._status, clock=clock, pace=pace
        )
        self._execution = Execution(
            context,
            self._queue,
            self._outputs,
            errors=ErrorHandling(context, self._buffer, self._outputs),
            membership=self._membership,
            pauses=self._pauses,
            interruptions=self._interruptions,
            newcomer=self._newcomer,
        )
        if isinstance(self._operator, DividedWork):
            self._operator.divide_with(self._execution)

    @property
    def state(self) -> WorkerState:
        """A snapshot. Any thread may read it, also while an operator works."""
        return self._status.snapshot(delayed=self._buffer.delayed, trouble=self._membership.trouble)

    def run(self, stop: threading.Event, abandon: threading.Event | None = None) -> None:
        """Step until `stop`, then drain: work in flight may finish within `drain_s`; the rest stays unacknowledged.
        `abandon` ends the drain at the next output. Raises `Fatal`; nothing more is acknowledged after it.
        """
        self._interruptions.stop, self._interruptions.abandon = stop, abandon or self._interruptions.abandon
        try:
            while not stop.is_set():
                self.step()
            self.drain()
        finally:
            self.close()

    def step(self) -> bool:
        """One poll, and one batch or a few small ones. Returns whether anything was received or done."""
        consumer = self._membership.consumer or self._join()
        if consumer is None:
            self._clock.sleep(min(self._pace.poll_timeout_s, self._pauses.remaining_s(self._clock.monotonic_s())))
            return False
        now_s = self._clock.monotonic_s()
        if self._stalled(consumer, now_s):
            return self._receive(consumer, now_s, self._stall_s(now_s)) > 0
        received = 0
        if not self._buffer.ready(now_s):
            received = self._receive(consumer, now_s, self._idle_s(now_s))
            now_s = self._clock.monotonic_s()
        elif self._queue.low() or now_s - self._membership.polled_s >= self._pace.keep_alive_s:
            received = self._receive(consumer, now_s, 0.0)
        worked = self._work(consumer, now_s)
        if self._timed is not None and self._pauses.error is None:
            self._act_by_time(self._timed)
        if (worked or received) and self._pauses.error is None and not self._buffer.ready(now_s):
            # Nothing waits, so there is time to settle. Poll once more first: what came meanwhile may share the flush.
            received += self._receive(consumer, now_s, 0.0)
        self._settlement.settle(consumer, force=self._pauses.error is not None or not self._buffer.ready(now_s))
        return worked or received > 0

    def drain(self) -> None:
        """Settle what is finished. Anything else stays unacknowledged."""
        consumer = self._membership.consumer
        if consumer is not None and not self._interruptions.abandon.is_set():
            self._settlement.settle(consumer, force=True)

    def close(self) -> None:
        """Leave the group, then release operator and producer. Idempotent."""
        opened, self._opened = self._opened, False
        consumer = self._membership.leave()
        # Callbacks run last to first: the member leaves before its operator and producer close, so that another member
        # can begin at once.
        with ExitStack() as stack:
            stack.callback(self._outputs.close)
            stack.callback(self._queue.close)
            if opened:
                stack.callback(self._operator.close)
            if consumer is not None:
                stack.callback(consumer.close)

    def _join(self) -> Consumer | None:
        """Open the operator, then join the group. None while a dependency is unavailable."""
        if self._pauses.remaining_s(self._clock.monotonic_s()):
            return None
        try:
            # Weights load and stores open before the group hands out partitions; until then other members keep them.
            if not self._opened:
                self._operator.open()
                self._opened = True
            self._queue.open(self._broker)
            consumer = self._membership.join(self._queue.in_hand)
        except Unavailable as error:
            self._pauses.begin(error)
            return None
        self._pauses.end()
        return consumer

    def _stalled(self, consumer: Consumer, now_s: float) -> bool:
        """Whether no work may be tried now. Finished work is settled first, as a stall may last long."""
        if self._pauses.error is None:
            return self._throttled(consumer, now_s)
        if self._pauses.remaining_s(now_s):
            return True
        self._settlement.settle(consumer, force=True)
        if self._pauses.remaining_s(now_s):
            return True
        if not self._buffer.ready(now_s):
            self._pauses.end()  # no work is left that could show whether the outage is over
        return False

    def _throttled(self, consumer: Consumer, now_s: float) -> bool:
        try:
            blocked = self._throttle.blocked(now_s, self._outputs.sent_bytes, self._outputs.unsettled_bytes)
        except Unavailable as error:
            self._pauses.begin(error)
            return True
        self._pauses.throttle(blocked=blocked)
        if blocked:
            self._settlement.settle(consumer, force=True)
        # Nobody is held up by what a newcomer sends: those who read take turns too.
        passes = self._queue.hold_back(blocked)
        return blocked and (self._throttle.full or not passes)

    def _receive(self, consumer: Consumer, now_s: float, timeout_s: float) -> int:
        """Returns how many records were received."""
        room = self._buffer.room()
        if room == 0 and timeout_s == 0.0 and now_s - self._membership.polled_s < self._pace.keep_alive_s:
            return 0  # the batch of this step makes room
        try:
            records = self._membership.poll(consumer, room, timeout_s, now_s)
        except Unavailable as error:
            self._pauses.begin(error)
            self._membership.abandon(consumer)
            return 0
        if records:
            self._buffer.add(records, self._clock.monotonic_s())
            self._status.in_flight(len(records))
        return len(records)

    def _stall_s(self, now_s: float) -> float:
        remaining_s = self._pauses.remaining_s(now_s) or self._pace.throttle_interval_s
        return min(self._pace.poll_timeout_s, remaining_s)

    def _idle_s(self, now_s: float) -> float:
        due_s = self._buffer.due_s()
        return self._pace.poll_timeout_s if due_s is None else max(0.0, min(self._pace.poll_timeout_s, due_s - now_s))

    def _work(self, consumer: Consumer, now_s: float) -> bool:
        """Returns whether there was a batch. Small batches follow each other, as a poll costs as much as a small
        record.
        """
        until_s, worked = now_s + self._pace.unit_s, False
        while taken := self._buffer.take(now_s):
            worked = True
            if owned := self._owned(consumer, taken):
                self._work_off(consumer, owned, until_s)
            now_s = self._clock.monotonic_s()
            if self._pauses.error or self._interruptions.over(now_s, until_s):
                break
        else:
            if worked:
                self._queue.quick()
        return worked

    def _newcomer(self) -> bool:
        """While an operator works: receive what came, at most every `keep_alive_s`, and whether some of it is new."""
        consumer, now_s = self._membership.consumer, self._clock.monotonic_s()
        if consumer is None or now_s - self._membership.polled_s < self._pace.keep_alive_s:
            return False
        self._receive(consumer, now_s, 0.0)
        return self._pauses.error is None and self._queue.newcomer()

    def _act_by_time(self, operator: TimedWork) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._timed_s < self._pace.timed_s:
            return
        self._timed_s = now_s
        try:
            sent = self._outputs.send_all(operator.due())
        except Unavailable as error:
            self._pauses.begin(error)
        else:
            self._outputs.settle_later([], sent, outcome="done", now_s=now_s)

    def _owned(self, consumer: Consumer, works: list[Work]) -> list[Work]:
        """The records that still belong to this member. Another member receives the others anyway."""
        if len(works) == 1 and consumer.owns(works[0].record):
            return works
        owned = [work for work in works if consumer.owns(work.record)]
        gone = len(works) - len(owned)
        if gone:
            # A rebalance moved a partition. Its queued records would only be filtered out one by one.
            gone += self._queue.drop(lambda record: not consumer.owns(record))
        self._status.in_flight(-gone)
        return owned

    def _work_off(self, consumer: Consumer, taken: list[Work], until_s: float) -> None:
        """Process `taken` and put unfinished work back. A record that may have killed its reader is tried with nothing
        else in flight.
        """
        parts = [taken]
        try:
            if taken[0].record.deaths is not None:
                # A death during the trial must point to this record alone, so everything before it is settled (ADR
                # 0016).
                self._settlement.settle(consumer, force=True)
                self._membership.try_alone(taken[0])
            self._execution.run(parts, until_s)
        except Unavailable as error:
            self._pauses.begin(error)
            self._membership.put_off(taken[0])
        self._buffer.put_back([work for part in reversed(parts) for work in part])
