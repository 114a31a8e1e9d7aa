"""`Broker` over a Kafka cluster: topics, groups and backlogs through the admin client."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ClusterMetadata, NewTopic, OffsetSpec, ResourceType

from stream.broker.contract import IN_HAND, Backlog, TopicSpec, record_size
from stream.broker.kafka.admin_queries import END, FIRST, AdminQueries
from stream.broker.kafka.client import (
    CALL_TIMEOUT_S,
    MAX_RECORD_BYTES,
    SETTLING,
    KafkaSettings,
    as_stage_error,
    record_of,
    standalone_consumer,
)
from stream.broker.kafka.commit_metadata import CommitMetadata
from stream.broker.kafka.commits import OFFSET_OF_ANOTHER, CommittedOffset
from stream.broker.kafka.consumer import KafkaConsumer
from stream.broker.kafka.described import TopicDescription, described
from stream.broker.kafka.offsets import OffsetAdmin, member_counts
from stream.broker.kafka.producer import KafkaProducer, RecordSizes
from stream.broker.kafka.tail import KafkaTail
from stream.broker.kafka.topic_config import topic_config
from stream.broker.kafka.topics_now import TopicsNow
from stream.clock import Clock
from stream.errors import Fatal

_log = logging.getLogger(__name__)
MIN_OFFSETS_RETENTION_MINUTES = 7 * 24 * 60

_TIMED_OUT = KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001 - the library has no other name for it


class KafkaBroker:
    """Thread-safe. Raises `Unavailable` while the cluster cannot be reached, `Fatal` where it refuses."""

    def __init__(self, settings: KafkaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._ask = AdminQueries(settings, clock)
        self._groups = OffsetAdmin(settings)
        self._now = TopicsNow(lambda names: described(self._ask.client(), names))
        self._limits: dict[str, int] = {}
        self._by_age: set[str] = set()
        self._sizes = RecordSizes()
        self._probe_lock = threading.Lock()
        self._probe: Consumer | None = None
        self._oldest: dict[tuple[str, int, int], tuple[int, int]] = {}

    def ensure(self, topics: Iterable[TopicSpec]) -> None:
        self.check_cluster()
        specs = list(topics)
        found = self.differences(specs)
        missing = [spec for spec in specs if found[spec.name] is None]
        if missing:
            self._create(missing)
        counts = self.partition_counts(spec.name for spec in specs)
        for spec in specs:
            if differing := found[spec.name]:
                raise Fatal(f"topic {spec.name!r}: {'; '.join(differing)}; nothing was altered", code="topic_mismatch")
            if (there := counts.get(spec.name, spec.partitions)) != spec.partitions:
                # Whoever runs the cluster chose it: `rushes kafka topics` and `rushes doctor` say so, once.
                _log.info("topic %s has %d partitions, not %d: it is used as it is", spec.name, there, spec.partitions)
            self._limits[spec.name] = spec.max_message_bytes
            if spec.retention_ms is not None:
                self._by_age.add(spec.name)

    def differences(self, topics: Iterable[TopicSpec]) -> dict[str, list[str] | None]:
        """By topic, the settings that differ from what they should be; None for a missing topic. Creates and alters
        nothing. The number of partitions does not count: whoever runs the cluster decides it.
        """
        known = self.nodes().topics
        return {
            spec.name: self._differing(spec) if name in known else None
            for spec in topics
            for name in [self._settings.names.of(spec.name)]
        }

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        """The number of partitions of each topic that exists."""
        own = {self._settings.names.of(topic): topic for topic in topics}
        found = self._ask.with_retries("asking for topics", lambda client: described(client, own))
        return {own[name]: len(there.partitions) for name, there in found.items()}

    def name_of(self, name: str) -> str:
        """The name of a topic or group on the cluster."""
        return self._settings.names.of(name)

    def nodes(self) -> ClusterMetadata:
        """The cluster's metadata, with its nodes and topics."""
        return self._ask.nodes()

    def cluster(self) -> str:
        return self.nodes().cluster_id or ""

    def declare(self, topic: str, group: str) -> None:
        """Gives the group a commit at the first kept record, unless it has one. Members commit for themselves."""
        partitions = self._partitions(topic)
        held = self._committed(group, partitions)
        fresh = [each for each in partitions if held[each] is None]
        if not fresh:
            return
        low = self._ask.offsets(fresh, FIRST)
        note = CommitMetadata(topic=self._ask.topic_ids[partitions[0].topic]).to_text()
        places = [TopicPartition(each.topic, each.partition, low[each], metadata=note) for each in fresh]

        def place(_: AdminClient) -> None:
            try:
                self._groups.commit(group, places)
            except KafkaException as failure:
                # A member joined meanwhile and commits for itself, which is all that a declaration wants.
                if failure.args[0].code() not in {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP}:
                    raise

        self._ask.with_retries(f"declaring group {group}", place)

    def trim(self, topic: str, groups: Sequence[str], *, kept_ms: int = 0) -> int:
        """Deletes records below the lowest offset that all groups have committed. Needs the right to delete records."""
        partitions = self._partitions(topic)
        places = [self._committed(group, partitions) for group in groups]
        held = {each: [place[each] for place in places] for each in partitions}
        # A group without a commit keeps everything (ADR 0017).
        floors = {each: min(at) for each, at in held.items() if at and None not in at}  # type: ignore[type-var]
        if kept_ms and floors:
            recent = self._ask.offsets(list(floors), OffsetSpec.for_timestamp(self._clock.now_ms() - kept_ms))
            floors = {each: min(at, recent[each]) if recent[each] >= 0 else at for each, at in floors.items()}  # type: ignore[type-var]
        low = self._ask.offsets(list(floors), FIRST) if floors else {}
        gone = {each: at - low[each] for each, at in floors.items() if at is not None and at > low[each]}
        if gone:
            self._delete(
                [TopicPartition(each.topic, each.partition, low[each] + count) for each, count in gone.items()]
            )
        return sum(gone.values())

    def tail(self, topic: str, *, from_start: bool = False) -> KafkaTail:
        """A reader outside any group: of what arrives from now on, or of all kept records with `from_start`."""
        low, end = self._extent(topic)
        return KafkaTail(self._settings, low if from_start else end, end, self._watched(topic))

    def members(self, groups: Sequence[str]) -> dict[str, int]:
        """The number of consumers in each group; 0 for a group that the cluster does not know."""
        return self._ask.with_retries(
            "asking for members", lambda client: member_counts(client, groups, self._settings.names)
        )

    def consumer(self, topics: Sequence[str], group: str, *, in_hand: int = IN_HAND) -> KafkaConsumer:
        for topic in topics:
            self._now.watch(self._settings.names.of(topic))
        return KafkaConsumer(
            self._settings, topics, group, self._clock, self._places, topics_now=self._now, in_hand=in_hand
        )

    def follow(self, topic: str, history: int) -> KafkaTail:
        low, end = self._extent(topic)
        starts = {it: max(low[it], end[it] - history) for it in end}
        return KafkaTail(self._settings, starts, end, self._watched(topic), quiet=True)

    def producer(self, *, places: bool = False) -> KafkaProducer:
        return KafkaProducer(self._settings, self._limits, self._sizes, places=places)

    def backlog(self, topic: str, group: str) -> Backlog:
        """Reads one record of each partition that has unacknowledged ones; `unread_bytes` reads none."""
        left = self._left(topic, group)
        firsts = {
            each: self._first(each.topic, each.partition, low) for each, (low, high) in left.items() if high > low
        }
        there = {each: first for each, first in firsts.items() if first is not None}
        if not there:
            return Backlog(0, 0, None)
        records = sum(left[each][1] - left[each][0] for each in there)
        times = [append_ms for append_ms, _ in there.values()]
        mean = self._sizes.mean(topic) or sum(size for _, size in there.values()) / len(there)
        return Backlog(records, round(records * mean), min(times))

    def unread_bytes(self, topic: str, group: str) -> int:
        """Unacknowledged records times the mean size of the records that this process handled lately."""
        records = sum(high - low for low, high in self._left(topic, group).values())
        mean = self._sizes.mean(topic)
        return self.backlog(topic, group).bytes if records and mean is None else round(records * (mean or 0))

    def close(self) -> None:
        """Idempotent. No call may follow."""
        self._now.close()
        self._ask.close()
        self._groups.close()
        with self._probe_lock:
            if self._probe is not None:
                self._probe.close()
                self._probe = None

    def _create(self, specs: Sequence[TopicSpec]) -> None:
        fresh = [
            NewTopic(
                self._settings.names.of(spec.name),
                num_partitions=spec.partitions,
                replication_factor=self._settings.replication_factor,
                config=topic_config(spec),
            )
            for spec in specs
        ]
        self._ask.with_retries(f"creating topics {', '.join(spec.name for spec in specs)}", partial(_created, fresh))
        for spec in specs:
            self._ask.with_retries(
                f"waiting for topic {spec.name}",
                partial(self._present, spec),
                passing=SETTLING | {KafkaError.UNKNOWN_TOPIC_OR_PART},  # a node learns of a new topic a moment later
            )

    def _present(self, spec: TopicSpec, client: AdminClient) -> None:
        """Raises `KafkaException` for a topic that does not exist."""
        if not described(client, [self._settings.names.of(spec.name)]):
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))

    def check_cluster(self) -> None:
        """Refuses a cluster that forgets offsets too soon: a group that is away for longer loses its place. A cluster
        that does not show its settings, as some hosted ones do, is accepted with a warning.
        """
        try:
            there = self._ask.config_of(ResourceType.BROKER, str(min(self.nodes().brokers)))
        except Fatal as refused:
            _log.warning("the cluster does not show offsets.retention.minutes (%s)", refused.message)
            return
        minutes = there.get("offsets.retention.minutes")
        if minutes is not None and int(minutes) < MIN_OFFSETS_RETENTION_MINUTES:
            raise Fatal(
                f"the cluster forgets the offsets of a stopped group after {minutes} minutes: set"
                f" offsets.retention.minutes to at least {MIN_OFFSETS_RETENTION_MINUTES} (a week) on every broker",
                code="offsets_retention",
            )

    def _delete(self, below: Sequence[TopicPartition]) -> None:
        def ask(client: AdminClient) -> None:
            for future in client.delete_records(list(below)).values():
                future.result(CALL_TIMEOUT_S)

        self._ask.with_retries("deleting acknowledged records", ask)

    def _differing(self, spec: TopicSpec) -> list[str]:
        there = self._ask.config_of(ResourceType.TOPIC, self._settings.names.of(spec.name))
        return [
            f"{name} is {there.get(name)}, not {wanted}"
            for name, wanted in topic_config(spec).items()
            if there.get(name) != wanted
        ]

    def _left(self, topic: str, group: str) -> dict[TopicPartition, tuple[int, int]]:
        """First unacknowledged offset and end of each partition; all kept records for a group without a commit."""
        partitions = self._partitions(topic)
        # Commits before ends: in the other order a busy group could seem to be past the end.
        held = self._committed(group, partitions)
        high = self._ask.offsets(partitions, END)
        fresh = [each for each in partitions if held[each] is None]
        low = self._ask.offsets(fresh, FIRST) if fresh else {}
        return {each: (held[each] if held[each] is not None else low[each], high[each]) for each in partitions}  # type: ignore[misc]

    def _partitions(self, topic: str) -> list[TopicPartition]:
        name = self._settings.names.of(topic)
        return [TopicPartition(name, number) for number in self._ask.described([name])[name].partitions]

    def _extent(self, topic: str) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """First kept offset and end of each partition."""
        partitions = self._partitions(topic)
        return self._ask.offsets(partitions, FIRST), self._ask.offsets(partitions, END)

    def _watched(self, topic: str) -> Callable[[], TopicDescription]:
        """A function that returns the topic's latest description."""
        name = self._settings.names.of(topic)
        there = self._ask.described([name])[name]
        self._now.watch(name, there)
        return lambda: self._now.get(name) or there

    def _committed(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        found = self._commits(group, partitions)
        return {each: None if found[each].offset < 0 else found[each].offset for each in partitions}

    def _commits(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, TopicPartition]:
        """What the group committed, with metadata. `OFFSET_INVALID` where it committed nothing, `OFFSET_OF_ANOTHER`
        where the commit belongs to a deleted topic of the same name.
        """
        answer = self._ask.with_retries(
            f"asking for the offsets of {group}", lambda _: self._groups.committed(group, partitions)
        )
        found = {(each.topic, each.partition): each for each in answer if each.offset >= 0}
        notes = {key: CommitMetadata.from_text(each.metadata) for key, each in found.items()}
        # Another tool's commit names no topic id: only its offset can give away a deleted topic (ADR 0033).
        unsure = [each for key, each in found.items() if not notes[key].topic]
        ends = self._ask.offsets(unsure, END, IsolationLevel.READ_UNCOMMITTED) if unsure else {}
        commits: dict[TopicPartition, TopicPartition] = {}
        for each in partitions:
            key = (each.topic, each.partition)
            held = found.get(key) or TopicPartition(*key, OFFSET_INVALID)
            if key in found and notes[key].of_another(held.offset, self._ask.topic_ids[key[0]], ends.get(held, 0)):
                held = TopicPartition(*key, OFFSET_OF_ANOTHER)
            commits[each] = held
        return commits

    def _places(self, group: str, partitions: Sequence[TopicPartition]) -> list[CommittedOffset]:
        plain = [TopicPartition(each.topic, each.partition) for each in partitions]
        if not plain:
            return []
        there = self._ask.described({each.topic for each in plain})
        low, held = self._ask.offsets(plain, FIRST), self._commits(group, plain)
        return [
            CommittedOffset(
                held[each], low[each], self._settings.key(each)[0] in self._by_age, there[each.topic].topic_id
            )
            for each in plain
        ]

    def _first(self, topic: str, partition: int, offset: int) -> tuple[int, int] | None:
        """Append time in ms and size of the record at `offset`, cached while it stays the oldest. None where the record
        was acknowledged and trimmed meanwhile and no other came after it.
        """
        with self._probe_lock:
            known = self._oldest.get((topic, partition, offset))
            if known is None:
                self._oldest = {key: at for key, at in self._oldest.items() if key[:2] != (topic, partition)}
                known = self._read(topic, partition, offset)
                if known is not None:
                    self._oldest[topic, partition, offset] = known
            return known

    def _read(self, topic: str, partition: int, offset: int) -> tuple[int, int] | None:
        if self._probe is None:
            self._probe = standalone_consumer(
                self._settings,
                "rushes-probe",
                **{"fetch.message.max.bytes": MAX_RECORD_BYTES, "queued.min.messages": 1, "fetch.wait.max.ms": 10},
                **{"enable.partition.eof": True},
            )
        # One long-lived client with one partition at a time: a new client for each question costs its connections.
        self._probe.assign([TopicPartition(topic, partition, offset)])
        message = self._probe.poll(CALL_TIMEOUT_S)
        self._probe.unassign()
        error = _TIMED_OUT if message is None else message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
            return None
        if message is None or error is not None:
            raise as_stage_error(error or KafkaError(-1), f"reading the oldest record of {topic}-{partition}")
        record = record_of(message, self._settings)
        return record.append_time_ms, record_size(record.key, record.value, record.headers)


def _created(topics: list[NewTopic], client: AdminClient) -> None:
    """A topic that exists is left as it is, so a second attempt is harmless."""
    for future in client.create_topics(topics).values():
        try:
            future.result(CALL_TIMEOUT_S)
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
