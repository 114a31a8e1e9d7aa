"""Looking at a cluster from beside: where groups stand, who is in them, and the small topics read in no group."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka import KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

from stream.clock import Clock
from stream.errors import Unavailable
from stream.kafka.client import CALL_TIMEOUT_S, KafkaSettings, admin, as_stage_error, outsider, record_of
from stream.kafka.offsets import GroupOffsets, member_counts
from stream.kafka.takeover import Note
from stream.observer import GROUP, Key, Look
from stream.places import Place
from stream.records import Record

READ_RECORDS = 1000
T = TypeVar("T")


class KafkaWatch:
    """Used from one thread. Reads `topics` whole: `progress` from where the group `freshness` says, the others from the
    commit of their one reader in `groups` (stage to its topics). Raises `Unavailable` while the cluster or a topic is
    missing.
    """

    def __init__(self, settings: KafkaSettings, clock: Clock, groups: Mapping[str, Sequence[str]]) -> None:
        self._clock = clock
        self._groups = groups
        self._settings = settings
        self._admin = admin(settings)
        self._met = False
        self._offsets_of = GroupOffsets(settings)
        self._at: dict[tuple[str, int], int] = {}
        self._consumer = outsider(settings, GROUP, **{"fetch.wait.max.ms": 50})

    def look(self, others: Sequence[str]) -> Look:
        """Commits first, then ends: what is acknowledged here has its reports before the ends. `others` are topics
        whose ends are wanted too.
        """
        if not self._met:
            self._settings.met(self._admin, self._clock)
            self._met = True
        return _asked("looking at the cluster", lambda: self._look(others))

    def read(self, ends: Mapping[tuple[str, int], int]) -> Iterator[Sequence[Record]]:
        """What has come to these partitions since the last call, up to their ends."""
        if not self._at:
            _asked("asking where to begin", lambda: self._begin(ends))
        quiet_s = self._clock.monotonic_s()
        while any(self._at[key] < end for key, end in ends.items()):
            records = [self._record(message) for message in self._consumer.consume(READ_RECORDS, 0.2)]
            if records:
                quiet_s = self._clock.monotonic_s()
                for record in records:
                    self._at[record.topic, record.partition] = record.offset + 1
                yield records
            elif self._clock.monotonic_s() - quiet_s > CALL_TIMEOUT_S:
                raise Unavailable("the broker has records that it does not send", code="broker_unavailable")

    def remember(self, topic: str, places: Mapping[int, int]) -> None:
        """Commit where a later reader of `topic` shall begin."""
        offsets = [self._settings.place(topic, partition, offset) for partition, offset in places.items()]
        _asked("committing for freshness", lambda: self._consumer.commit(offsets=offsets, asynchronous=False))

    def close(self) -> None:
        vars(self).pop("_admin", None)  # as in `KafkaBroker.close`
        self._offsets_of.close()
        self._consumer.close()

    def _look(self, others: Sequence[str]) -> Look:
        topics = {topic for read in self._groups.values() for topic in read}.union(others)
        partitions = self._partitions(topics)
        commits = {
            group: self._offsets_of.committed(group, [each for topic in read for each in partitions[topic]])
            for group, read in self._groups.items()
        }
        everything = [each for topic in topics for each in partitions[topic]]
        ends = self._offsets(everything, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        fresh = [each for found in commits.values() for each in found if each.offset < 0]
        lows = self._offsets(fresh, OffsetSpec.earliest()) if fresh else {}  # type: ignore[no-untyped-call]
        places = [
            _place(group, each, self._settings.key(each), lows, ends)
            for group, found in commits.items()
            for each in found
        ]
        return Look(places, member_counts(self._admin, list(self._groups), self._settings.names), ends)

    def _partitions(self, topics: set[str]) -> dict[str, list[TopicPartition]]:
        known = self._admin.list_topics(timeout=CALL_TIMEOUT_S).topics
        there = {topic: self._settings.names.of(topic) for topic in topics}
        if missing := sorted(set(there.values()) - known.keys()):
            raise Unavailable(
                f"the cluster has no topic {', '.join(missing)}: start a worker with `rushes run`", code="unknown_topic"
            )
        return {
            topic: [TopicPartition(name, number) for number in sorted(known[name].partitions)]
            for topic, name in there.items()
        }

    def _offsets(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> dict[tuple[str, int], int]:
        plain = [TopicPartition(each.topic, each.partition) for each in partitions]
        futures = self._admin.list_offsets(dict.fromkeys(plain, spec))
        return {self._settings.key(each): future.result(CALL_TIMEOUT_S).offset for each, future in futures.items()}

    def _begin(self, ends: Mapping[tuple[str, int], int]) -> None:
        """Where each topic's reader stands; at the first kept record where it has not committed."""
        partitions = [self._settings.place(*key) for key in ends]
        lows = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        starts = dict(lows)
        for topic in {topic for topic, _ in ends}:
            group = next((name for name, read in self._groups.items() if topic in read), GROUP)
            wanted = [self._settings.place(*key) for key in ends if key[0] == topic]
            for each in self._offsets_of.committed(group, wanted):
                key = self._settings.key(each)
                starts[key] = max(lows[key], each.offset)
        self._at = starts
        self._consumer.assign([self._settings.place(*key, offset) for key, offset in starts.items()])

    def _record(self, message: Message) -> Record:
        if (error := message.error()) is not None:
            raise as_stage_error(error, "reading for freshness")
        return record_of(message, self._settings)


def _asked(doing: str, ask: Callable[[], T]) -> T:
    """Every failure of the cluster in our words; a call that takes too long is one."""
    try:
        return ask()
    except KafkaException as failure:
        raise as_stage_error(failure.args[0], doing) from None
    except TimeoutError:
        raise Unavailable(f"{doing}: no answer within {CALL_TIMEOUT_S:g} s", code="broker_unavailable") from None


def _place(group: str, held: Any, key: Key, lows: Mapping[Key, int], ends: Mapping[Key, int]) -> Place:
    acked = lows.get(key, 0) if held.offset < 0 else held.offset
    beyond = Note.from_text(held.metadata).acked_offsets(acked) if held.offset >= 0 else frozenset()
    return Place(group, *key, acked, ends[key], beyond)
