"""The one worker: pull, batch, process, send, flush, acknowledge. Stages differ in their operator only."""

import logging
import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from stream.broker.contract import IN_HAND, Broker, Consumer, Delivery
from stream.clock import Clock
from stream.errors import Fatal, Unavailable
from stream.events.base import Event
from stream.observability.metrics import Metrics, StageMetrics
from stream.observability.status import Status, WorkerState
from stream.topology.codec import EventDecoder
from stream.topology.stage import Operator, Stage
from stream.topology.topics import TOPICS, Topic
from stream.worker.admission import Admission, Planning
from stream.worker.backpressure import Outage, Readers, Throttle
from stream.worker.buffer import Buffer, Work
from stream.worker.decoding import parts_of
from stream.worker.error_handling import ErrorHandling
from stream.worker.outputs import Outcome, Outputs, refused

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker divides its time. Seconds; none of these changes what it does."""

    poll_timeout_s: float = 0.5  # longest wait for records
    keep_alive_s: float = 0.5  # polls at least this often, also when it has enough
    throttle_interval_s: float = 0.05  # asks for unread bytes at most this often
    flush_interval_s: float = 0.1  # outputs of a busy worker are settled at least this often
    unit_s: float = 0.005  # so long small batches follow each other before anything else is looked at
    flush_timeout_s: float = 30.0
    drain_s: float = 30.0  # how long work in flight may go on after a stop


DEFAULT_PACE = Pace()


class Worker:
    """Runs one stage as one member of its consumer group. `step` from one thread only.

    `readers` names the consumer groups of each topic that throttles the stage (see `Topology.readers`). Raises
    `ValueError` at once where the stage cannot work: unknown topics, ambiguous targets, a throttle without readers.
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
        self._stage = stage
        self._broker = broker
        self._clock = clock
        self._pace = pace
        self._metrics = StageMetrics(metrics, stage.name)
        self._throttle = Throttle(stage, broker, readers or {}, metrics, interval_s=pace.throttle_interval_s)
        self._throttled = f"throttled: {', '.join(stage.throttled_by)}"
        self._decoder = EventDecoder(topics[source] for source in stage.sources)
        self._operator: Operator = stage.operator()
        self._outbox = Outputs(stage, broker.producer(), topics, self._metrics)
        self._read_ahead = Admission(stage, topics, self._decoder, clock) if stage.admission else None
        if self._read_ahead is not None and isinstance(self._operator, Planning):
            self._operator.ask(self._read_ahead.coming)
        self._inbox = Buffer(stage, rng or random.Random(), self._read_ahead)
        self._failures = ErrorHandling(
            stage,
            self._operator,
            inbox=self._inbox,
            outbox=self._outbox,
            topics=topics,
            clock=clock,
            metrics=self._metrics,
        )
        self._status = Status(stage.name, self._metrics)
        self._outage = Outage(stage.retry)
        self._consumer: Consumer | None = None
        self._consumer_paused = False
        self._polled_s = self._now_s = float("-inf")  # `_now_s`: after the last attempt
        self._opened = False
        self._sent: list[Delivery] = []  # of the record that is being tried alone
        self._stop = threading.Event()
        self._abandon = threading.Event()
        self._stopped_s: float | None = None

    @property
    def _in_hand(self) -> int:
        return IN_HAND if self._stage.admission is None else self._stage.admission.read_ahead_records

    @property
    def state(self) -> WorkerState:
        """A snapshot; may be read from any thread, also while an operator is at work."""
        consumer = self._consumer
        trouble = None if consumer is None else consumer.trouble
        return self._status.snapshot(delayed=self._inbox.delayed, trouble=trouble)

    def run(self, stop: threading.Event, abandon: threading.Event | None = None) -> None:
        """Step until `stop`, then drain: what is in flight may finish within `drain_s`, the rest stays unacknowledged.

        `abandon` ends the drain at the next output. Raises `Fatal` (nothing more is acknowledged then).
        """
        self._stop, self._abandon = stop, abandon or self._abandon
        try:
            while not stop.is_set():
                self.step()
            self.drain()
        finally:
            self.close()

    def step(self) -> bool:
        """One poll, and one batch or a few small ones. Whether anything was received or done."""
        consumer = self._consumer or self._join()
        if consumer is None:
            self._clock.sleep(min(self._pace.poll_timeout_s, self._outage.remaining_s(self._clock.monotonic_s())))
            return False
        now_s = self._clock.monotonic_s()
        if self._stalled(consumer, now_s):
            return self._receive(consumer, now_s, self._stall_s(now_s)) > 0
        received = 0
        if not self._inbox.ready(now_s):
            received = self._receive(consumer, now_s, self._idle_s(now_s))
            now_s = self._clock.monotonic_s()
        elif self._inbox.low() or now_s - self._polled_s >= self._pace.keep_alive_s:
            received = self._receive(consumer, now_s, 0.0)
        worked = self._work(consumer, now_s)
        if self._outage.error is None and not self._inbox.ready(now_s):
            # Only where nothing more is at hand there is time to settle.
            received += self._receive(consumer, now_s, 0.0)
        self._settle(consumer, force=self._outage.error is not None or not self._inbox.ready(now_s))
        return worked or received > 0

    def drain(self) -> None:
        """Settle what is finished. What is not stays unacknowledged."""
        if self._consumer is not None and not self._abandon.is_set():
            self._settle(self._consumer, force=True)

    def close(self) -> None:
        """Leave the group, then release operator and producer. Idempotent."""
        consumer, self._consumer = self._consumer, None
        opened, self._opened = self._opened, False
        self._status.left()
        if consumer is not None:
            _log.info("stage %s: leaves its group", self._stage.name)
        with ExitStack() as stack:
            stack.callback(self._outbox.close)
            if self._read_ahead is not None:
                stack.callback(self._read_ahead.close)
            if opened:
                stack.callback(self._operator.close)
            if consumer is not None:
                stack.callback(consumer.close)

    def _join(self) -> Consumer | None:
        """Open the operator, then join the group; None while a dependency is away."""
        if self._outage.remaining_s(self._clock.monotonic_s()):
            return None
        try:
            if not self._opened:
                self._operator.open()
                self._opened = True
            if self._read_ahead is not None:
                self._read_ahead.open(self._broker)
            self._consumer = self._broker.consumer(self._stage.sources, self._stage.name, in_hand=self._in_hand)
        except Unavailable as error:
            self._begin_outage(error)
            return None
        self._status.joined()
        self._end_outage()
        _log.info("stage %s: joined its group", self._stage.name)
        return self._consumer

    def _stalled(self, consumer: Consumer, now_s: float) -> bool:
        """Whether no work may be tried now. What is finished is settled first, as a stall may last."""
        if self._outage.error is None:
            try:
                blocked = self._throttle.blocked(now_s, self._outbox.sent_bytes, self._outbox.unsettled_bytes)
            except Unavailable as error:
                self._begin_outage(error)
                return True
            self._status.paused(self._throttled if blocked else None)
            if blocked:
                self._settle(consumer, force=True)
            return blocked
        if self._outage.remaining_s(now_s):
            return True
        self._settle(consumer, force=True)
        if self._outage.remaining_s(now_s):
            return True
        if not self._inbox.ready(now_s):
            self._end_outage()  # no work is left that could tell whether it is over
        return False

    def _receive(self, consumer: Consumer, now_s: float, timeout_s: float) -> int:
        """Poll, which also keeps the membership alive. The consumer is paused only while nothing more fits."""
        room = self._inbox.room()
        if room == 0 and timeout_s == 0.0 and now_s - self._polled_s < self._pace.keep_alive_s:
            return 0  # this step's batch makes room
        if (room == 0) is not self._consumer_paused:
            self._consumer_paused = room == 0
            (consumer.pause if room == 0 else consumer.resume)()
        try:
            records = consumer.poll(max(1, room), timeout_s)
        except Unavailable as error:
            self._rejoin(consumer, error)
            return 0
        self._polled_s = now_s
        if records:
            self._inbox.add(records, self._clock.monotonic_s())
            self._status.in_flight(len(records))
        return len(records)

    def _rejoin(self, consumer: Consumer, error: Unavailable) -> None:
        """Leave a broker that cannot be heard; what is in hand comes again, perhaps to another member."""
        self._consumer = None
        self._consumer_paused = False
        self._begin_outage(error)
        try:
            consumer.close()
        except Unavailable:
            _log.info("stage %s: left its group without a word", self._stage.name)

    def _stall_s(self, now_s: float) -> float:
        remaining_s = self._outage.remaining_s(now_s) or self._pace.throttle_interval_s
        return min(self._pace.poll_timeout_s, remaining_s)

    def _idle_s(self, now_s: float) -> float:
        due_s = self._inbox.due_s()
        return self._pace.poll_timeout_s if due_s is None else max(0.0, min(self._pace.poll_timeout_s, due_s - now_s))

    def _work(self, consumer: Consumer, now_s: float) -> bool:
        """Whether there was a batch. Looking around costs as much as a small record."""
        until_s, worked = now_s + self._pace.unit_s, False
        while taken := self._inbox.take(now_s):
            worked = True
            if owned := self._owned(consumer, taken):
                self._work_off(owned, until_s)
            now_s = self._clock.monotonic_s()
            if self._outage.error or self._over(now_s, until_s):
                break
        else:
            if worked:
                self._inbox.quick()
        return worked

    def _over(self, now_s: float, until_s: float) -> bool:
        """Whether it is time to look around."""
        return self._stop.is_set() or now_s >= until_s or self._throttle.due(now_s, self._outbox.sent_bytes)

    def _owned(self, consumer: Consumer, works: list[Work]) -> list[Work]:
        """Without what meanwhile belongs to another member, who gets it anyway."""
        if len(works) == 1 and consumer.owns(works[0].record):
            return works
        owned = [work for work in works if consumer.owns(work.record)]
        gone = len(works) - len(owned)
        if gone and self._read_ahead is not None:
            gone += self._read_ahead.drop(lambda record: not consumer.owns(record))
        self._status.in_flight(-gone)
        return owned

    def _work_off(self, taken: list[Work], until_s: float) -> None:
        """Process a batch, where what fails is halved until the culprits stand alone; or batches of one record, as
        many as there is time for.
        """
        singly = self._stage.batch.max_records == 1
        if not singly:
            self._metrics.batch_records.observe(len(taken))
            self._metrics.batch_bytes.observe(sum(len(work.record.value) for work in taken))
        parts = [taken]
        try:
            if taken[0].record.deaths is not None:
                self._accuse(taken[0])
            parts = parts_of(taken, self._decoder, singly=singly)
            while parts and not (self._stop.is_set() and self._overdue()):
                part = parts[-1]
                self._sent = []
                error = part[0].error or self._attempt(part)
                if error is not None and len(part) > 1:
                    parts[-1:] = self._failures.split(part, error)
                    continue
                if error is not None:
                    self._failures.alone(part[0], error, self._sent)
                    self._acquit(part[0])
                    self._now_s = self._clock.monotonic_s()
                parts.pop()
                if singly and self._over(self._now_s, until_s):
                    break
        except Unavailable as error:
            self._begin_outage(error)
            self._acquit(taken[0])
        self._inbox.put_back([work for part in reversed(parts) for work in part])

    def _accuse(self, work: Work) -> None:
        """Before a record is tried alone: everything else is settled, and the next owner will know which it was."""
        if self._consumer is not None:
            self._settle(self._consumer, force=True)
            self._consumer.try_alone(work.record)

    def _acquit(self, work: Work) -> None:
        """It did not kill; whoever dies while it waits for another attempt does not die of it."""
        if work.record.deaths is not None and self._consumer is not None:
            self._consumer.put_off(work.record)

    def _attempt(self, works: list[Work]) -> Exception | None:
        """Run the operator and send its outputs. The error that is the records' to bear; others are raised."""
        events = [work.event for work in works if work.event is not None]
        started_s = self._clock.monotonic_s()
        try:
            outputs = self._operator.process(events)
            if self._read_ahead is not None:
                outputs = self._read_ahead.charging(works[0], outputs)
            deliveries = self._streamed(outputs) if len(works) == 1 else self._outbox.send_all(list(outputs))
        except (Fatal, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - an operator's defect is judged like a bad record
            return error
        self._now_s = now_s = self._clock.monotonic_s()
        self._metrics.processing.observe(now_s - started_s)
        if deliveries is not None:
            self._outbox.settle_later(works, deliveries, outcome="done", now_s=now_s)
            self._failures.succeeded(len(works))
            if self._outage.attempts:
                self._end_outage()
        return None

    def _streamed(self, outputs: Iterable[Event]) -> list[Delivery] | None:
        """Send as they come; None if the drain's deadline cut the work short."""
        for output in outputs:
            if self._stop.is_set() and self._overdue():
                return None
            self._sent.append(self._outbox.send(output))
        return self._sent

    def _settle(self, consumer: Consumer, *, force: bool) -> None:
        """Acknowledge what is durable: when asked to, and while busy at every flush interval; what has no outputs at
        once, as whatever is kept until then is out of the processor's caches.
        """
        for outcome, works in self._outbox.without_outputs().items():
            self._acknowledge(consumer, outcome, works)
        since_s = self._outbox.waiting_since_s
        if since_s is None:
            return
        now_s = self._clock.monotonic_s()
        if not force and now_s - since_s < self._pace.flush_interval_s:
            return
        try:
            settled, again = self._outbox.flush(self._pace.flush_timeout_s)
        except Unavailable as error:
            self._begin_outage(error)
            return
        for outcome, works in settled.items():
            self._acknowledge(consumer, outcome, works)
        if again:
            self._inbox.put_back(again)
            self._begin_outage(refused(again))

    def _acknowledge(self, consumer: Consumer, outcome: Outcome, works: Sequence[Work]) -> None:
        consumer.ack([work.record for work in works])
        self._status.settled(outcome, len(works))

    def _overdue(self) -> bool:
        """Whether, after a stop, the time to drain is over."""
        if self._abandon.is_set():
            return True
        now_s = self._clock.monotonic_s()
        self._stopped_s = now_s if self._stopped_s is None else self._stopped_s
        return now_s - self._stopped_s >= self._pace.drain_s

    def _begin_outage(self, error: Unavailable) -> None:
        if self._outage.error is None:
            _log.warning("stage %s: paused, %s (%s)", self._stage.name, error.message, error.code)
        self._outage.begin(error, self._clock.monotonic_s())
        self._metrics.outage(error.code)
        self._status.ready(False)
        self._status.paused(f"unavailable: {error.message}")

    def _end_outage(self) -> None:
        if self._outage.error is not None:
            _log.info("stage %s: goes on", self._stage.name)
        self._outage.end()
        self._status.ready(True)
        self._status.paused(None)
