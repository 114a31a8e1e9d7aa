"""Commits acknowledged positions, with the metadata of `stream.broker.kafka.commit_metadata`."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream.broker.acks import AckTracker, PartitionAcks
from stream.broker.acks import TopicPartition as Key
from stream.broker.contract import Record
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.commit_metadata import CommitMetadata, PartitionStart, take_over
from stream.clock import Clock
from stream.errors import Fatal

_log = logging.getLogger(__name__)


OFFSET_OF_ANOTHER = -2001
"""Beside librdkafka's own negative offsets: the commit belongs to a deleted topic of the same name."""


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """What a group committed for a partition (a negative offset for nothing), the first kept offset, whether its
    records are deleted `by_age` even when unread, and the id of the topic.
    """

    committed: TopicPartition
    low: int
    by_age: bool
    topic_id: str = ""


Places = Callable[[str, Sequence[TopicPartition]], Sequence[CommittedOffset]]
"""(group, partitions) to their committed offsets. It uses another connection: the group's own may be busy with a
rebalance that waits for this answer."""


@dataclass(slots=True)
class _Held:
    """The last commit of a partition, and the metadata for the next one. `lost`: that commit did not reach the group,
    so it is repeated.
    """

    note: CommitMetadata
    committed: tuple[int, str] | None = None
    lost: bool = False


class Commits:
    """The commits of one consumer, from its polling thread. Commits changes at least every `commit_interval_s`."""

    def __init__(self, consumer: Consumer, settings: KafkaSettings, clock: Clock, places: Places, in_hand: int) -> None:
        self._consumer = consumer
        self._settings = settings
        self._in_hand = in_hand
        self._places = places
        self._clock = clock
        self._interval_s = settings.commit_interval_s
        self._due_s = 0.0
        self._held: dict[Key, _Held] = {}

    def take_over(self, group: str, partitions: Sequence[TopicPartition]) -> dict[Key, PartitionStart]:
        """The start of each partition. Raises `Unavailable`. Raises `Fatal` where unread records were deleted in a
        topic without retention by age; in a topic with it, the reader just misses them.
        """
        starts: dict[Key, PartitionStart] = {}
        for place in self._places(group, partitions):
            found = place.committed
            key = self._settings.key(found)
            if found.offset == OFFSET_OF_ANOTHER:
                _log.warning(
                    "group %s: topic %s was deleted and created again, what was committed is of the old one;"
                    " partition %d is read from its first record",
                    *(group, found.topic, found.partition),
                )
            if found.offset < 0:
                starts[key] = take_over(place.low, CommitMetadata(), self._in_hand)
            elif found.offset < place.low and not place.by_age:
                raise lost_records(group, key, found.offset, place.low)
            else:
                starts[key] = take_over(found.offset, CommitMetadata.from_text(found.metadata), self._in_hand)
            starts[key] = replace(starts[key], note=replace(starts[key].note, topic=place.topic_id))
            self._held[key] = _Held(starts[key].note)
        # The first commit is due at once: it marks the partition as open, so that a death leaves a trace.
        self._due_s = 0.0
        return starts

    def keep_up(self, acks: AckTracker) -> None:
        """Commit changes if it is time. The first commit of an assignment is waited for: from then on a death leaves a
        trace. A failed commit, usually because of a rebalance, is repeated by the next.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s and not self._tried(acks):
            return
        self._due_s = now_s + self._interval_s
        first = any(held.committed is None for held in self._held.values())
        try:
            self._commit(acks, self._held, wait=first)
        except KafkaException as failure:
            _log.info("commit postponed: %s", failure.args[0].str())

    def _tried(self, acks: AckTracker) -> bool:
        """Whether a trial is over: a death from here on is not caused by its record."""
        return any(
            partition.settled(held.note.trial)
            for key, held in self._held.items()
            if held.note.trying and held.note.trial is not None and (partition := acks.partition(key)) is not None
        )

    def failed(self, keys: Iterable[Key]) -> None:
        """An asynchronous commit did not reach the group."""
        for key in keys:
            if key in self._held:
                self._held[key].lost = True

    def try_alone(self, acks: AckTracker, record: Record, deaths: int) -> None:
        """Wait until the group knows that this process tries the record alone, and what was done before it. Raises
        `KafkaException`.
        """
        held = self._held.get((record.topic, record.partition))
        if held is not None:
            held.note = replace(held.note, trial=record.offset, trial_deaths=deaths, trying=True)
            self._commit(acks, self._held, wait=True)

    def put_off(self, record: Record) -> None:
        """The trial of the record ended without a result. The next commit says so, and is due now."""
        held = self._held.get((record.topic, record.partition))
        if held is not None and held.note.trial == record.offset:
            held.note = replace(held.note, trying=False)
            self._due_s = 0.0

    def leave(self, acks: AckTracker, keys: Iterable[Key]) -> None:
        """Commit and close partitions that this member gives up, and wait for it. Raises `KafkaException`."""
        for key in keys:
            # A clean leave is no death: the next owner starts without suspicion.
            if key in self._held:
                self._held[key].note = replace(
                    self._held[key].note, open=False, deaths=0, trial=None, trial_deaths=0, trying=False
                )
        self._commit(acks, [key for key in keys if key in self._held], wait=True)

    def forget(self, key: Key) -> None:
        self._held.pop(key, None)

    def _commit(self, acks: AckTracker, keys: Iterable[Key], *, wait: bool) -> None:
        changed: dict[Key, tuple[int, str]] = {}
        for key in keys:
            partition = acks.partition(key)
            if partition is None:
                continue
            held = self._held[key]
            held.note = _progressed(held.note, partition)
            content = (partition.position, held.note.to_text())
            if held.lost or content != held.committed:
                changed[key] = content
        if not changed:
            return
        offsets = [
            TopicPartition(self._settings.names.of(topic), partition, position, metadata=text)
            for (topic, partition), (position, text) in changed.items()
        ]
        if wait:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        else:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        for key, content in changed.items():
            self._held[key].committed, self._held[key].lost = content, False


def lost_records(group: str, key: Key, next_offset: int, low: int, found: str = "") -> Fatal:
    """The group committed `next_offset` or less, and kept records begin at `low`: nobody did those between."""
    between = f"records {next_offset} to {low - 1}" if next_offset < low else f"records up to {next_offset - 1}"
    return Fatal(
        f"group {group}: {between} of {key[0]}-{key[1]} were deleted before they were read"
        f"{f' ({found})' if found else ''}, and the group has not done them; publish their assets again, stop the"
        f" stage, and set the offset of this partition alone to {low}",
        code="records_lost",
    )


def _progressed(note: CommitMetadata, partition: PartitionAcks) -> CommitMetadata:
    """The metadata after acknowledgements. Any progress ends a series of deaths, but no trial of another record."""
    note = replace(note, acked=partition.bitmap(), deaths=0 if partition.stepped else note.deaths)
    over = note.trial is not None and partition.settled(note.trial)
    return note.without_trial() if over else note
