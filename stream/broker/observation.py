"""A cluster as an observer sees it: the offsets of groups and the ends of topics, as values, and who reads them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stream.broker.contract import Record

GROUP = "freshness"
"""The group of the exporter. Its commits in `progress` mark the oldest open asset. It has no members."""

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class GroupOffset:
    """A group in one partition. `acked` is its first unacknowledged offset, `beyond` the offsets acknowledged above it,
    `end` the offset of the next record to come. The commit is read before the end.
    """

    stage: str
    topic: str
    partition: int
    acked: int
    end: int
    beyond: frozenset[int] = frozenset()

    @property
    def offset_lag(self) -> int:
        """Unacknowledged records: unread and in flight."""
        return max(0, self.end - self.acked - sum(self.acked <= offset < self.end for offset in self.beyond))

    def has_acked(self, offset: int) -> bool:
        return offset < self.acked or offset in self.beyond


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The offsets of all groups and the ends of partitions, read in this order, and the members of each group. An end
    is that of readable records: `undecided` is how many records of a topic lie behind it, in or after open
    transactions. `topic_ids` change when a topic is deleted and created again.
    """

    places: Sequence[GroupOffset]
    members: Mapping[str, int]
    ends: Mapping[Key, int]
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    undecided: Mapping[str, int] = field(default_factory=dict)


class ClusterWatch(Protocol):
    """Observes a cluster from outside its groups (`stream.broker.kafka.watch`)."""

    def observe(self, others: Sequence[str]) -> ClusterView: ...
    def read(self, ends: Mapping[Key, int]) -> Iterator[Sequence[Record]]: ...
    def restart(self) -> None: ...
    def remember(self, topic: str, places: Mapping[int, int]) -> None: ...
    def close(self) -> None: ...
