"""A consumer group in memory: its members, and which member reads which cursor. The broker holds the locks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from stream.broker.acks import TopicPartition
from stream.broker.memory.assignment import assign
from stream.broker.memory.log import Cursor


class GroupMember(Protocol):
    """What a group must know of a member: the topics it reads."""

    topics: tuple[str, ...]


M = TypeVar("M", bound=GroupMember)


class Group(Generic[M]):
    """Members share the partitions of each topic they read. A partition that changes its owner gets a new epoch."""

    def __init__(self, epochs: Iterator[int]) -> None:
        self._epochs = epochs
        self._held: dict[M, list[Cursor]] = {}
        self.cursors: dict[TopicPartition, Cursor] = {}

    @property
    def members(self) -> list[M]:
        return list(self._held)

    def add(self, topic: str, cursors: Sequence[Cursor]) -> None:
        """The group now also covers `topic`."""
        self.cursors |= {(topic, partition): cursor for partition, cursor in enumerate(cursors)}

    def held(self, member: M) -> Sequence[Cursor]:
        """The cursors that the member reads; none for a member that left."""
        return self._held.get(member, ())

    def unacked_records(self) -> Counter[object]:
        """Of each member, of all topics; of None those that nobody reads."""
        found: Counter[object] = Counter()
        for cursor in self.cursors.values():
            found[cursor.owner] += cursor.unacked_records
        return found

    def join(self, member: M) -> None:
        self._held[member] = []
        self._rebalance()

    def leave(self, member: M) -> None:
        self._held.pop(member, None)
        self._rebalance()

    def _rebalance(self) -> None:
        for topic in {name for name, _ in self.cursors}:
            readers = [member for member in self._held if topic in member.topics]
            cursors = [cursor for (name, _), cursor in self.cursors.items() if name == topic]
            current = {at: readers.index(cursor.owner) for at, cursor in enumerate(cursors) if cursor.owner in readers}
            owners = assign(range(len(cursors)), range(len(readers)), current)
            for at, cursor in enumerate(cursors):
                owner = readers[owners[at]] if at in owners else None
                if cursor.owner is not owner:
                    cursor.reassign(owner, next(self._epochs))
        for member, held in self._held.items():
            held[:] = [cursor for cursor in self.cursors.values() if cursor.owner is member]
