"""A member of a Kafka consumer group: cooperative, acknowledged record by record, with a bounded buffer of its own."""

import itertools
import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.acks import AckTracker
from stream.clock import Clock
from stream.errors import Fatal, StageError
from stream.kafka.client import MAX_RECORD_BYTES, KafkaSettings, as_bytes, as_stage_error, made
from stream.kafka.commits import Commits, Places
from stream.kafka.takeover import REACH, Takeover
from stream.records import IN_HAND, Record

HOLD_RECORDS = 64
"""The buffer takes what still arrives while the caller is full; only beyond it librdkafka is told to pause, as each
pause throws its prefetch away."""

READ_AHEAD_HOLD_RECORDS = 1024
"""Of a caller that wants to see far."""

SERVE_S = 0.1
_epochs = itertools.count(1)
_log = logging.getLogger(__name__)


class KafkaConsumer:
    """Made by `KafkaBroker.consumer`. Partitions without a commit begin at the first kept record.

    A thread of its own serves the group, so that a rebalance never waits for a long piece of work. A caller that does
    not poll for `max_poll_interval_s` loses its membership all the same.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        group: str,
        clock: Clock,
        places: Places,
        *,
        in_hand: int = IN_HAND,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._group = group
        self._hold_records = HOLD_RECORDS if in_hand <= IN_HAND else READ_AHEAD_HOLD_RECORDS
        self._acks = AckTracker()
        self._lock = threading.RLock()  # of everything below
        self._arrived = threading.Condition(self._lock)
        self._buffer: deque[Record] = deque()
        self._epoch_of: dict[tuple[str, int], int] = {}
        self._starts: dict[tuple[str, int], Takeover] = {}
        self._paused = False
        self._held = False  # librdkafka is told to pause
        self._failure: StageError | None = None
        self._polled_s = clock.monotonic_s()
        self._closing = threading.Event()
        self._consumer = made(Consumer, settings, **_options(settings, group))
        self._commits = Commits(self._consumer, clock, settings.commit_interval_s, places, in_hand)
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._thread = threading.Thread(target=self._serve, name=f"kafka-{group}", daemon=True)
        self._thread.start()

    def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        with self._arrived:
            self._polled_s = self._clock.monotonic_s()
            self._arrived.wait_for(lambda: self._ended() or self._readable(), timeout_s)
            self._raise_failure()
            taken: list[Record] = []
            while len(taken) < max_records and self._readable():
                taken.append(self._buffer.popleft())
            self._arrived.notify_all()
            return taken

    def ack(self, records: Iterable[Record]) -> None:
        with self._lock:
            for record in records:
                self._acks.ack(record)

    def owns(self, record: Record) -> bool:
        return self._epoch_of.get((record.topic, record.partition)) == record.epoch

    def try_alone(self, record: Record) -> None:
        try:
            with self._lock:
                self._commits.try_alone(self._acks, record, record.deaths or 0)
        except KafkaException as failure:
            raise as_stage_error(failure.args[0], f"committing for {self._group}") from None

    def pause(self) -> None:
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        with self._arrived:
            self._paused = False

    def close(self) -> None:
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        with self._lock:
            self._buffer.clear()
            self._raise_failure()

    def _readable(self) -> bool:
        """Nothing is handed out so far ahead of an unacknowledged record that its acknowledgement would not fit into
        a commit.
        """
        if self._paused or not self._buffer:
            return False
        first = self._buffer[0]
        held = self._acks.partition((first.topic, first.partition))
        return held is None or first.offset - held.position < REACH

    def _ended(self) -> bool:
        return self._failure is not None or self._closing.is_set()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _serve(self) -> None:
        """The thread: fetch, commit, serve rebalances; leave in the end."""
        while not self._closing.is_set():
            if self._clock.monotonic_s() - self._polled_s > self._settings.max_poll_interval_s:
                self._closing.wait(SERVE_S)  # librdkafka gives the membership up
                continue
            try:
                self._fetch()
            except StageError as error:
                self._fail(error)
                self._closing.wait(SERVE_S)
        try:
            self._consumer.close()  # calls `_on_revoke`, which commits
        except KafkaException as failure:
            self._fail(as_stage_error(failure.args[0], f"leaving group {self._group}"))
        finally:
            self._forget(list(self._epoch_of))

    def _fail(self, error: StageError) -> None:
        with self._arrived:
            self._failure = self._failure or error
            self._arrived.notify_all()

    def _fetch(self) -> None:
        """Take what has come into the buffer; serves rebalances. Raises what the client reported."""
        with self._arrived:
            if len(self._buffer) >= self._hold_records and not self._held:
                self._arrived.wait_for(lambda: len(self._buffer) <= self._hold_records // 2, SERVE_S)
            room = self._hold_records - len(self._buffer)
            self._hold(room <= 0)
        messages = self._consumer.consume(1, SERVE_S)  # a batch call would wait for all it may take
        if messages and room > 1:
            messages += self._consumer.consume(room - 1, 0.0)
        self._settings.refusals.check()
        with self._arrived:
            for message in messages:
                self._take(message)
            if self._buffer:
                self._arrived.notify_all()
            self._commits.keep_up(self._acks)

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is None:
            self._keep(message)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's name for its own code
            raise Fatal(
                f"group {self._group}: records of {message.topic()} were deleted before they were read"
                f" ({error.str()}); replay their assets, then reset the group",
                code="records_lost",
            )
        elif error.fatal() or not error.retriable():
            raise as_stage_error(error, f"reading as {self._group}")

    def _keep(self, message: Message) -> None:
        record = self._record(message)
        if record is None:
            return
        if self._acks.arrived(record):
            self._buffer.append(record)

    def _record(self, message: Message) -> Record | None:
        """None for what a revoked assignment had still in its queue."""
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None or (topic, partition) not in self._epoch_of:
            return None
        headers = message.headers() or []
        return Record(
            topic=topic,
            partition=partition,
            offset=offset,
            key=as_bytes(message.key()),
            value=as_bytes(message.value()),
            headers={pair[0]: as_bytes(pair[1]) for pair in headers},
            append_time_ms=message.timestamp()[1],
            epoch=self._epoch_of[topic, partition],
            deaths=self._starts[topic, partition].deaths(offset),
        )

    def _hold(self, full: bool) -> None:
        if full is self._held:
            return
        if not full and len(self._buffer) > self._hold_records // 2:
            return
        self._held = full
        partitions = self._consumer.assignment()
        (self._consumer.pause if full else self._consumer.resume)(partitions)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin where the last owner left off, without what it had acknowledged beyond. Nothing is raised through
        librdkafka: `poll` does.
        """
        try:
            starts = self._commits.take_over(self._group, partitions)
        except StageError as error:
            self._fail(error)
            return
        with self._lock:
            for key, start in starts.items():
                epoch = next(_epochs)
                self._acks.assign(key, epoch=epoch, start=start.position, acked=start.acked)
                self._epoch_of[key] = epoch
                self._starts[key] = start
        consumer.incremental_assign([TopicPartition(*key, start.position) for key, start in starts.items()])
        if self._held:
            consumer.pause([TopicPartition(*key) for key in starts])

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = [(partition.topic, partition.partition) for partition in partitions]
        with self._lock:
            try:
                self._commits.leave(self._acks, keys)
            except KafkaException as failure:
                # What was not committed is done again by the next owner.
                _log.warning("%s: a last commit failed (%s)", self._group, failure.args[0].str())
        self._forget(keys)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget([(partition.topic, partition.partition) for partition in partitions])

    def _forget(self, keys: Sequence[tuple[str, int]]) -> None:
        """Another member has them now: a late commit would be accepted and move its offset back."""
        gone = set(keys)
        with self._lock:
            for key in gone:
                self._acks.revoke(key)
                self._epoch_of.pop(key, None)
                self._commits.forget(key)
            self._buffer = deque(record for record in self._buffer if (record.topic, record.partition) not in gone)


def _options(settings: KafkaSettings, group: str) -> dict[str, Any]:
    return {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": round(settings.session_timeout_s * 1000),
        "heartbeat.interval.ms": max(300, round(settings.session_timeout_s * 1000 / 6)),
        "max.poll.interval.ms": round(settings.max_poll_interval_s * 1000),
        "fetch.message.max.bytes": MAX_RECORD_BYTES,
        "queued.max.messages.kbytes": 32 * 1024,
        "queued.min.messages": 1000,
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 100,
    }
