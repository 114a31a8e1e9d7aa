"""Observes a cluster from outside its groups: their offsets and members, and the small topics, read in no group."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from stream.broker.contract import Record
from stream.broker.kafka.client import (
    CALL_TIMEOUT_S,
    KafkaSettings,
    admin,
    as_stage_error,
    record_of,
    standalone_consumer,
)
from stream.broker.kafka.commit_metadata import CommitMetadata
from stream.broker.kafka.contact import Refusals
from stream.broker.kafka.described import TopicDescription, described
from stream.broker.kafka.offsets import OffsetAdmin, member_counts
from stream.broker.observation import GROUP, ClusterView, GroupOffset, Key
from stream.clock import Clock
from stream.errors import Unavailable

READ_RECORDS = 1000
OBSERVE_TIMEOUT_S = 5.0
"""For the first query of an observation. A client without an answer is given up soon, and new clients ask again."""
_FIRST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_END: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
T = TypeVar("T")


class KafkaWatch:
    """Used from one thread. Reads `topics` whole: `progress` from the commit of the group `freshness`, the others from
    the commit of their one reader in `groups` (stage to its topics). Raises `Unavailable` while the cluster or a topic
    is missing, `Fatal` where it refuses. After any error the next call begins with new clients, as old ones may never
    answer again (ADR 0033).
    """

    def __init__(self, settings: KafkaSettings, clock: Clock, groups: Mapping[str, Sequence[str]]) -> None:
        self._clock = clock
        self._groups = groups
        self._settings = settings
        self._clients: _Clients | None = None
        self._at: dict[Key, int] = {}  # the next offset to read
        self._topics: Mapping[str, TopicDescription] = {}

    def observe(self, others: Sequence[str]) -> ClusterView:
        """Commits first, then ends: so the reports of everything acknowledged here lie before the ends. `others` are
        topics whose ends are wanted too.
        """
        return self._query("observing the cluster", lambda clients: self._observe(clients, others))

    def read(self, ends: Mapping[Key, int]) -> Iterator[Sequence[Record]]:
        """The records of these partitions since the last call, up to their ends."""
        clients = self._query("asking where to begin", lambda clients: self._begun(clients, ends))
        try:
            yield from self._read(clients, ends)
        except Exception:
            self.close()
            raise

    def between(self, starts: Mapping[Key, int], ends: Mapping[Key, int]) -> Iterator[Sequence[Record]]:
        """The records of these partitions from `starts` up to `ends`, whatever was read before. Of another watch than
        one that `read`s.
        """
        clients = self._query("asking for records", lambda clients: self._placed(clients, starts))
        try:
            yield from self._read(clients, ends)
            # Or the client would go on to fetch what nobody asked for.
            clients.consumer.unassign()
        except Exception:
            self.close()
            raise

    def restart(self) -> None:
        """Forget what was read: the next `read` begins again."""
        self._at = {}
        self.close()

    def remember(self, topic: str, places: Mapping[int, int]) -> None:
        """Commit where a later reader of `topic` begins. Nobody waits for it: if it is lost, more is read."""
        note = CommitMetadata(topic=self._topics[topic].topic_id).to_text()
        name = self._settings.names.of(topic)
        offsets = [TopicPartition(name, partition, offset, metadata=note) for partition, offset in places.items()]
        self._query(
            "committing for freshness", lambda clients: clients.consumer.commit(offsets=offsets, asynchronous=True)
        )

    def close(self) -> None:
        clients, self._clients = self._clients, None
        if clients is not None:
            clients.close()

    def _query(self, doing: str, ask: "Callable[[_Clients], T]") -> T:
        """Every failure of the cluster as an error of ours; a call that takes too long is one."""
        # All clients are replaced after any failure: which of them still answers cannot be known.
        try:
            if self._clients is None:
                self._clients = _Clients(self._settings)
                self._clients.settings.await_contact(self._clients.admin, self._clock)
            return ask(self._clients)
        except Exception as failure:
            self.close()
            if isinstance(failure, KafkaException):
                raise as_stage_error(failure.args[0], doing) from None
            if isinstance(failure, TimeoutError):
                raise Unavailable(f"{doing}: no answer in time", code="broker_unavailable") from None
            raise

    def _observe(self, clients: "_Clients", others: Sequence[str]) -> ClusterView:
        self._topics = self._described(clients, {*chain(*self._groups.values()), *others})
        partitions = {topic: self._partitions(topic) for topic in self._topics}
        commits = {
            group: clients.offsets.committed(group, [each for topic in read for each in partitions[topic]])
            for group, read in self._groups.items()
        }
        everything = [each for found in partitions.values() for each in found]
        ends = clients.at(everything, _END)
        # Records between the two ends belong to open transactions. Nobody can read them yet, so they are counted apart.
        highs = clients.at(everything, _END, IsolationLevel.READ_UNCOMMITTED)
        lows = clients.at(everything, _FIRST)
        places = [self._place(group, each, lows, ends, highs) for group, found in commits.items() for each in found]
        return ClusterView(
            places,
            member_counts(clients.admin, list(self._groups), self._settings.names),
            ends,
            topic_ids={topic: there.topic_id for topic, there in self._topics.items()},
            undecided={topic: sum(highs[key] - ends[key] for key in ends if key[0] == topic) for topic in self._topics},
        )

    def _place(
        self,
        group: str,
        held: TopicPartition,
        lows: Mapping[Key, int],
        ends: Mapping[Key, int],
        highs: Mapping[Key, int],
    ) -> GroupOffset:
        key, note = self._settings.key(held), CommitMetadata.from_text(held.metadata)
        if held.offset < 0 or note.of_another(held.offset, self._topics[key[0]].topic_id, highs[key]):
            return GroupOffset(group, *key, lows[key], ends[key])
        return GroupOffset(group, *key, held.offset, ends[key], note.acked_offsets(held.offset))

    def _described(self, clients: "_Clients", topics: Collection[str]) -> dict[str, TopicDescription]:
        names = {self._settings.names.of(topic): topic for topic in topics}
        found = described(clients.admin, names, OBSERVE_TIMEOUT_S)
        if missing := sorted(names.keys() - found.keys()):
            raise Unavailable(
                f"the cluster has no topic {', '.join(missing)}: start a worker with `rushes run`", code="unknown_topic"
            )
        return {names[name]: there for name, there in found.items()}

    def _partitions(self, topic: str) -> list[TopicPartition]:
        return [self._settings.place(topic, number) for number in self._topics[topic].partitions]

    def _begun(self, clients: "_Clients", ends: Mapping[Key, int]) -> "_Clients":
        """Assigns the new partitions at their next offset; partitions may be added at any time."""
        if fresh := [key for key in ends if key not in self._at]:
            self._at |= self._starts(clients, fresh)
        if new := [key for key in ends if key not in clients.assigned]:
            clients.consumer.incremental_assign([self._settings.place(*key, self._at[key]) for key in new])
            clients.assigned.update(new)
        return clients

    def _placed(self, clients: "_Clients", starts: Mapping[Key, int]) -> "_Clients":
        self._at = dict(starts)
        clients.consumer.assign([self._settings.place(*key, offset) for key, offset in starts.items()])
        return clients

    def _starts(self, clients: "_Clients", keys: Sequence[Key]) -> dict[Key, int]:
        """The commit of each topic's reader; the first kept record where it has not committed."""
        partitions = [self._settings.place(*key) for key in keys]
        lows, ends = clients.at(partitions, _FIRST), clients.at(partitions, _END)
        starts = dict(lows)
        for topic in {topic for topic, _ in keys}:
            group = next((name for name, read in self._groups.items() if topic in read), GROUP)
            for each in clients.offsets.committed(
                group, [self._settings.place(*key) for key in keys if key[0] == topic]
            ):
                place = self._place(group, each, lows, ends, ends)
                starts[place.topic, place.partition] = max(lows[place.topic, place.partition], place.acked)
        return starts

    def _read(self, clients: "_Clients", ends: Mapping[Key, int]) -> Iterator[Sequence[Record]]:
        """The client's end-of-partition event shows the end, not the last record: offsets that are never delivered may
        lie behind it, such as transaction markers and holes of compaction.
        """
        received_s = self._clock.monotonic_s()
        while any(self._at[key] < end for key, end in ends.items()):
            records: list[Record] = []
            for message in clients.consumer.consume(READ_RECORDS, 0.2):
                error, after = message.error(), 0
                if error is None:
                    records.append(record_of(message, self._settings))
                    after = 1
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
                    raise as_stage_error(error, "reading for freshness")
                key = self._settings.key(message)
                self._at[key] = max(self._at[key], (message.offset() or 0) + after)
                received_s = self._clock.monotonic_s()
            if records:
                yield records
            elif self._clock.monotonic_s() - received_s > CALL_TIMEOUT_S:
                raise Unavailable("the broker does not send records that it has", code="broker_unavailable")


class _Clients:
    """Clients that are created and given up together: after an outage nobody can tell which of them still answers. They
    do not share the refusals of earlier clients.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = replace(settings, refusals=Refusals())
        self.admin = admin(self.settings)
        self.offsets = OffsetAdmin(self.settings)
        self.consumer = standalone_consumer(
            self.settings, GROUP, **{"fetch.wait.max.ms": 50, "enable.partition.eof": True}
        )
        self.assigned: set[Key] = set()

    def at(
        self,
        partitions: Sequence[TopicPartition],
        spec: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[Key, int]:
        """Offsets by partition. The end is that of readable records: records of an open transaction lie behind it."""
        plain = [TopicPartition(each.topic, each.partition) for each in partitions]
        if not plain:
            return {}
        futures = self.admin.list_offsets(dict.fromkeys(plain, spec), isolation_level=isolation)
        return {self.settings.key(each): future.result(CALL_TIMEOUT_S).offset for each, future in futures.items()}

    def close(self) -> None:
        vars(self).pop("admin", None)  # it has no close: it ends when no reference is left
        self.offsets.close()
        self.consumer.close()
