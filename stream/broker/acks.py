"""Which records are acknowledged, and so which offset may be committed. Pure: no broker, no clock, no locks."""

from collections import deque
from collections.abc import Iterable
from itertools import chain

from stream.broker.contract import Record

TopicPartition = tuple[str, int]


class PartitionAcks:
    """Acknowledgements of one partition under one assignment.

    Offsets are delivered in rising order, with gaps where the log has them (compaction, transaction markers), and
    acknowledged in any order. `position` is the offset to commit: every delivered record below it is acknowledged.
    `acked`: offsets from `start` on that an earlier owner acknowledged. `stepped`: a record was acknowledged since
    then.
    """

    __slots__ = ("_acked", "_next", "_order", "_unacked", "stepped")

    def __init__(self, start: int = 0, acked: Iterable[int] = ()) -> None:
        self._next = start
        self._order: deque[int] = deque()  # from the lowest unacknowledged offset on
        self._unacked: set[int] = set()
        self._acked = set(acked)
        self.stepped = False
        self._pass_over()

    def delivered(self, offset: int) -> None:
        """The offset was handed out. Raises `ValueError` if it is not above all offsets delivered before."""
        if offset < self._next:
            raise ValueError(f"offset {offset} delivered after {self._next - 1}")
        self._order.append(offset)
        self._unacked.add(offset)
        self._next = offset + 1

    def arrived(self, offset: int) -> bool:
        """`delivered`, unless it was delivered before or an earlier owner acknowledged it: then False."""
        if offset < self._next:
            return False
        # `delivered` again, written out: this runs for every record.
        self._order.append(offset)
        self._unacked.add(offset)
        self._next = offset + 1
        if offset not in self._acked:
            return True
        self._acked.remove(offset)
        self._settle(offset)
        return False

    def ack(self, offset: int) -> bool:
        """False for a duplicate and for an offset that was never delivered here."""
        if offset not in self._unacked:
            return False
        self.stepped = True
        self._settle(offset)
        return True

    def _settle(self, offset: int) -> None:
        order, unacked = self._order, self._unacked
        unacked.remove(offset)
        while order and order[0] not in unacked:
            order.popleft()
        if self._acked:
            self._pass_over()

    def _pass_over(self) -> None:
        """Skip the offsets that an earlier owner acknowledged: they are not delivered again."""
        while not self._order and self._next in self._acked:
            self._acked.remove(self._next)
            self._next += 1

    def deleted_below(self, low: int) -> int:
        """Offsets below `low` that were not delivered never will be: they count as acknowledged. Returns how many of
        them nobody had acknowledged.
        """
        gone = max(0, low - self._next) - sum(self._next <= offset < low for offset in self._acked)
        self._acked = {offset for offset in self._acked if offset >= low}
        self._next = max(self._next, low)
        self._pass_over()
        return gone

    def settled(self, offset: int) -> bool:
        """Whether the offset is acknowledged, here or by an earlier owner."""
        return offset in self._acked or (offset < self._next and offset not in self._unacked)

    @property
    def position(self) -> int:
        return self._order[0] if self._order else self._next

    @property
    def spread(self) -> int:
        """The distance from the position to the end of the delivered offsets."""
        return self._next - self._order[0] if self._order else 0

    @property
    def oldest(self) -> int | None:
        """The lowest offset that is delivered and not acknowledged."""
        return self._order[0] if self._order else None

    def unacked(self) -> list[int]:
        """The offsets that are delivered and not acknowledged, rising."""
        return sorted(self._unacked)

    def bitmap(self) -> bytes:
        """Acknowledged offsets from `position` on: bit i of byte i // 8 (least significant first) is position + i."""
        known = chain(self._acked, (offset for offset in self._order if offset not in self._unacked))
        places = [offset - self.position for offset in known if offset >= self.position]
        bits = bytearray(max(places, default=-1) // 8 + 1)
        for place in places:
            bits[place // 8] |= 1 << place % 8
        return bytes(bits)


class AckTracker:
    """Acknowledgements of the partitions that a consumer holds. Those of another epoch or partition are ignored."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, tuple[int, PartitionAcks]] = {}

    def assign(self, partition: TopicPartition, *, epoch: int, start: int, acked: Iterable[int] = ()) -> None:
        """Begin again at `start`; all earlier knowledge of the partition is dropped."""
        self._partitions[partition] = (epoch, PartitionAcks(start, acked))

    def partition(self, partition: TopicPartition) -> PartitionAcks | None:
        """The state of a partition; None if it is not held."""
        held = self._partitions.get(partition)
        return None if held is None else held[1]

    def revoke(self, partition: TopicPartition) -> int | None:
        """Drop the partition's state. Returns the position to commit, once; None if it is not held."""
        held = self._partitions.pop(partition, None)
        return None if held is None else held[1].position

    def owns(self, record: Record) -> bool:
        """Whether the assignment under which the record was received still holds."""
        held = self._partitions.get((record.topic, record.partition))
        return held is not None and held[0] == record.epoch

    def delivered(self, record: Record) -> None:
        self._partitions[record.topic, record.partition][1].delivered(record.offset)

    def arrived(self, record: Record) -> bool:
        """Whether the record is new and the assignment under which it was received still holds."""
        held = self._partitions.get((record.topic, record.partition))
        return held is not None and held[0] == record.epoch and held[1].arrived(record.offset)

    def ack(self, record: Record) -> bool:
        held = self._partitions.get((record.topic, record.partition))
        return held is not None and held[0] == record.epoch and held[1].ack(record.offset)

    def spread(self) -> int:
        """The largest spread of all partitions."""
        return max((acks.spread for _, acks in self._partitions.values()), default=0)

    def positions(self) -> dict[TopicPartition, int]:
        """The offset to commit for each held partition."""
        return {partition: acks.position for partition, (_, acks) in self._partitions.items()}
