"""A member of a Kafka consumer group: cooperative, and acknowledged record by record."""

import itertools
import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.broker.acks import AckTracker
from stream.broker.acks import TopicPartition as Key
from stream.broker.contract import IN_HAND, Record
from stream.broker.kafka.client import KafkaSettings, as_stage_error, make_client, record_of
from stream.broker.kafka.commit_metadata import REACH, PartitionStart
from stream.broker.kafka.commits import Commits, Places, lost_records
from stream.broker.kafka.contact import Reachability
from stream.broker.kafka.reader import Reader
from stream.broker.kafka.topics_now import TopicsNow
from stream.clock import Clock
from stream.errors import StageError, Unavailable

SERVE_S = 0.1
ASK_S = 1.0
_epochs = itertools.count(1)
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Trial:
    """A request of `try_alone`: the record, whether its commit was tried, and the error if that failed."""

    record: Record
    done: threading.Event = field(default_factory=threading.Event)
    error: StageError | None = None


class KafkaConsumer:
    """Made by `KafkaBroker.consumer`. Partitions without a commit begin at the first kept record.

    A thread of its own serves the group, so that a rebalance never waits for a long piece of work (ADR 0016). The
    group's client fetches nothing; a `Reader` fetches in the caller's thread. A caller that neither polls nor says that
    it is at work (`keep_alive`) for `max_poll_interval_s` still loses its membership.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        group: str,
        clock: Clock,
        places: Places,
        *,
        topics_now: TopicsNow,
        in_hand: int = IN_HAND,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._group = group
        self._places = places
        self._lock = threading.RLock()  # of acknowledgements and commits
        self._acks = AckTracker()
        self._epoch_of: dict[Key, int] = {}
        self._topics_now = topics_now
        self._topic_ids: dict[str, str] = {}  # replaced as a whole, as the serving thread writes it
        self._starts: dict[Key, PartitionStart] = {}
        self._reader = Reader(settings, group)
        self._waiting: deque[Record] = deque()  # fetched, and too far ahead to hand out
        self._trials: deque[_Trial] = deque()  # requests of `try_alone`
        self._paused = False
        self._failure: StageError | None = None
        self._ended = threading.Event()  # failed, or closed
        self._polled_s = clock.monotonic_s()
        self._closing = threading.Event()
        self._reach = Reachability()
        self._asked_for = settings.place(topics[0], 0)
        self._consumer = make_client(
            Consumer, settings, on_commit=self._on_commit, error_cb=self._on_error, **_options(settings, group)
        )
        self._commits = Commits(self._consumer, settings, clock, places, in_hand)
        self._consumer.subscribe(
            [settings.names.of(topic) for topic in topics],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        self._thread = threading.Thread(target=self._serve, name=f"kafka-{group}", daemon=True)
        self._thread.start()

    def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Waits in slices, as partitions come and go meanwhile."""
        self._check_topics()
        self._polled_s = now_s = self._clock.monotonic_s()
        deadline_s = now_s + timeout_s
        while not self._closing.is_set():
            self._raise_failure()
            slice_s = max(0.0, min(SERVE_S, deadline_s - now_s))
            if self._paused or not self._near():
                self._ended.wait(slice_s)
            elif taken := self._taken(max_records, slice_s):
                return taken
            now_s = self._clock.monotonic_s()
            if now_s >= deadline_s:
                break
        self._raise_failure()
        return []

    def keep_alive(self) -> None:
        self._polled_s = self._clock.monotonic_s()

    @property
    def trouble(self) -> str | None:
        return self._reach.trouble

    @property
    def assignment(self) -> frozenset[Key]:
        """The partitions that this member owns and whose start it knows."""
        with self._lock:
            return frozenset(self._epoch_of)

    def ack(self, records: Iterable[Record]) -> None:
        with self._lock:
            for record in records:
                self._acks.ack(record)

    def owns(self, record: Record) -> bool:
        # Without the lock: a dictionary read is atomic, and the answer may be outdated as soon as it is given.
        return self._epoch_of.get((record.topic, record.partition)) == record.epoch

    def try_alone(self, record: Record) -> None:
        """The serving thread commits. A client takes one call at a time: a call from here would hold our lock while it
        waits for a call that serves a rebalance, which needs that lock.
        """
        trial = _Trial(record)
        self._trials.append(trial)
        while not trial.done.wait(SERVE_S):
            if not self._thread.is_alive():
                raise Unavailable(f"group {self._group} is not served any more", code="broker_unavailable")
        if trial.error is not None:
            raise trial.error

    def put_off(self, record: Record) -> None:
        with self._lock:
            self._commits.put_off(record)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def close(self) -> None:
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        self._waiting.clear()
        self._reader.close()
        self._raise_failure()

    def _taken(self, max_records: int, timeout_s: float) -> list[Record]:
        """Waiting records that may be handed out now, or what has just arrived, as far as it may be handed out."""
        if not self._waiting:
            fresh = self._fresh(self._reader.read(max_records, timeout_s))
            with self._lock:
                if self._acks.spread() <= REACH:
                    return fresh
            self._waiting.extend(fresh)
        taken: list[Record] = []
        while len(taken) < max_records and self._waiting and self._near():
            record = self._waiting.popleft()
            if self.owns(record):
                taken.append(record)
        return taken

    def _fresh(self, messages: Iterable[Message]) -> list[Record]:
        """The records that are new, in order. Handles the client's other messages after them."""
        records: list[Record] = []
        events: list[Message] = []
        for message in messages:
            if message.error() is None:
                records.append(self._record(message))
            else:
                events.append(message)
        with self._lock:
            # Only here: a partition may be revoked between the fetch and this point, and its records go with it.
            fresh = [record for record in records if self._acks.arrived(record)]
        for event in events:
            self._reported(event)
        return fresh

    def _near(self) -> bool:
        """Whether the first waiting record may be handed out. A record too far ahead of an unacknowledged one may not:
        its acknowledgement would not fit into a commit.
        """
        if not self._waiting:
            return True
        first = self._waiting[0]
        held = self._acks.partition((first.topic, first.partition))
        return held is None or first.offset - held.position < REACH

    def _check_topics(self) -> None:
        """Raises `Unavailable` where a topic was created again: all knowledge of its partitions is void, and joining
        anew restores it.
        """
        for topic, topic_id in self._topic_ids.items():
            now = self._topics_now.get(self._settings.names.of(topic))
            if now is not None and now.topic_id != topic_id:
                raise Unavailable(
                    f"group {self._group}: topic {topic} was deleted and created again: it is read from its beginning",
                    code="topic_created_again",
                )

    def _check_topics_now(self) -> None:
        """The same check with a fresh answer of the cluster. Raises `Unavailable` also where it does not answer."""
        try:
            self._topics_now.refresh()
        except (KafkaException, TimeoutError):
            raise Unavailable(f"group {self._group}: asking what its topics are", code="broker_unavailable") from None
        self._check_topics()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            self._ended.clear()
            raise failure

    def _fail(self, error: StageError) -> None:
        self._failure = self._failure or error
        self._ended.set()

    def _serve(self) -> None:
        """The thread: serves rebalances and commits; leaves at the end."""
        while not self._closing.is_set():
            # A stuck caller must lose its partitions. This thread would otherwise keep its membership alive for ever.
            if self._clock.monotonic_s() - self._polled_s > self._settings.max_poll_interval_s:
                self._closing.wait(SERVE_S)  # no poll: librdkafka gives the membership up
                continue
            try:
                for message in self._consumer.consume(1, SERVE_S):
                    if message.error() is not None:  # the reader delivers a record fetched before the pause
                        self._reported(message)
                self._settings.refusals.check()
                self._reach.verify(lambda: self._consumer.committed([self._asked_for], timeout=ASK_S))
                with self._lock:
                    self._commits.keep_up(self._acks)
                self._commit_trials()
            except StageError as error:
                self._fail(error)
                self._closing.wait(SERVE_S)
        try:
            self._consumer.close()  # calls `_on_revoke`, which commits
        except KafkaException as failure:
            self._fail(as_stage_error(failure.args[0], f"leaving group {self._group}"))
        finally:
            self._forget(list(self._epoch_of))
            self._ended.set()

    def _commit_trials(self) -> None:
        while self._trials:
            trial = self._trials.popleft()
            try:
                with self._lock:
                    self._commits.try_alone(self._acks, trial.record, trial.record.deaths or 0)
            except KafkaException as failure:
                trial.error = as_stage_error(failure.args[0], f"committing for {self._group}")
            trial.done.set()

    def _reported(self, message: Message) -> None:
        """Handles a message that is no record. Raises errors that do not pass by themselves."""
        error = message.error()
        if error is None:
            return
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's names for its own codes
            self._reached_end(message)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            self._missed(message, error)
        elif error.fatal() or not error.retriable():
            raise as_stage_error(error, f"reading as {self._group}")

    def _reached_end(self, message: Message) -> None:
        """Below the end, records that have not come never will: transaction markers, and records that compaction
        removed. They must not count as lag.
        """
        key = self._settings.key(message)
        with self._lock:
            epoch, acks = self._reader.epochs.get(key), self._acks.partition(key)
            if acks is not None and epoch is not None and epoch == self._epoch_of.get(key):
                acks.deleted_below(message.offset() or 0)

    def _missed(self, message: Message, error: KafkaError) -> None:
        """The next record to read is gone. Records that the group did meanwhile are not missed: a member that stood
        still learns late that others went on. In a topic with retention by age, reading goes on and the number of
        missed records is logged. Any other missed record raises `Fatal`. Raises `Unavailable` where the cluster does
        not answer.
        """
        key, offset = self._settings.key(message), message.offset() or 0
        (place,) = self._places(self._group, [self._settings.place(*key)])
        done = place.committed.offset >= place.low > offset
        if not done and (not place.by_age or place.low <= offset):
            self._check_topics_now()
            raise lost_records(self._group, key, max(offset, place.committed.offset), place.low, error.str())
        start = place.committed.offset if done else place.low
        with self._lock:  # a partition that moves to another member meanwhile must not be read again here
            epoch, acks = self._reader.epochs.get(key), self._acks.partition(key)
            if acks is None or epoch is None or epoch != self._epoch_of.get(key):
                return
            gone = acks.deleted_below(start)
            self._reader.begin({key: (epoch, start)})
        if done:
            _log.info("group %s: others processed records of %s-%d; resuming at %d", self._group, *key, start)
        elif gone:
            _log.warning(
                "group %s: %d records of %s-%d grew too old and were deleted before they were read",
                *(self._group, gone, *key),
            )

    def _record(self, message: Message) -> Record:
        key = self._settings.key(message)
        start = self._starts[key]
        deaths = start.deaths(message.offset() or 0) if start.trials_until else None
        return record_of(message, self._settings, epoch=self._reader.epochs.get(key, 0), deaths=deaths)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin where the last owner stopped, without the offsets that it acknowledged beyond. Raises nothing, as
        librdkafka calls it: `poll` raises the error.
        """
        try:
            starts = self._commits.take_over(self._group, partitions)
        except StageError as error:
            self._fail(error)  # nothing is assigned, so nothing is read before `poll` raises it
            return
        with self._lock:
            for key, start in starts.items():
                epoch = next(_epochs)
                self._acks.assign(key, epoch=epoch, start=start.position, acked=start.acked)
                self._starts[key] = start
                self._epoch_of[key] = epoch
        self._topic_ids = self._topic_ids | {topic: start.note.topic for (topic, _), start in starts.items()}
        self._reach.assigned()
        # At the end, so that nothing is fetched before the pause holds.
        consumer.incremental_assign([self._settings.place(*key, OFFSET_END) for key in starts])
        consumer.pause([self._settings.place(*key) for key in starts])
        self._reader.begin({key: (self._epoch_of[key], start.position) for key, start in starts.items()})

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = [self._settings.key(partition) for partition in partitions]
        with self._lock:
            try:
                self._commits.leave(self._acks, keys)
            except KafkaException as failure:
                # What was not committed is done again by the next owner.
                _log.warning("%s: a last commit failed (%s)", self._group, failure.args[0].str())
        self._forget(keys)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Called for asynchronous commits. A failed one is repeated, even if nothing changes any more."""
        failed = [self._settings.key(each) for each in partitions if error is not None or each.error is not None]
        if failed:
            _log.info(
                "%s: a commit failed and is repeated (%s)", self._group, "partly" if error is None else error.str()
            )
            with self._lock:
                self._commits.failed(failed)

    def _on_error(self, error: KafkaError) -> None:
        self._settings.refusals.on_error(error)
        self._reach.on_error(error)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._reach.lost()
        self._forget([self._settings.key(partition) for partition in partitions])

    def _forget(self, keys: Sequence[Key]) -> None:
        """Another member has these partitions now. A late commit would be accepted and would move its offset back."""
        with self._lock:
            for key in keys:
                self._acks.revoke(key)
                self._epoch_of.pop(key, None)
                self._commits.forget(key)
        self._reader.end(keys)


def _options(settings: KafkaSettings, group: str) -> dict[str, Any]:
    return {
        "group.id": settings.names.of(group),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # A reset must be seen: records that are gone are either an age limit or a loss (`_missed`).
        "auto.offset.reset": "error",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": round(settings.session_timeout_s * 1000),
        "heartbeat.interval.ms": max(300, round(settings.session_timeout_s * 1000 / 6)),
        "max.poll.interval.ms": round(settings.max_poll_interval_s * 1000),
    }
