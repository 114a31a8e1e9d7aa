"""One partition in memory and a group's position in it. `stream.broker.memory.broker` holds the locks and the clock."""

from collections import deque

from stream.broker.acks import PartitionAcks
from stream.broker.contract import Record


class LogEntry:
    """A kept record and how many groups still need it."""

    __slots__ = ("record", "size", "waiting")

    def __init__(self, record: Record, size: int, waiting: int) -> None:
        self.record = record
        self.size = size
        self.waiting = waiting


class Log:
    """The kept records of a partition by offset. Offsets are never reused, not even those of freed records."""

    __slots__ = ("bytes", "end", "kept")

    def __init__(self) -> None:
        self.end = 0
        self.bytes = 0
        self.kept: dict[int, LogEntry] = {}

    def append(self, record: Record, size: int, waiting: int) -> None:
        self.kept[self.end] = LogEntry(record, size, waiting)
        self.bytes += size
        self.end += 1

    def skip(self) -> None:
        """Use up an offset for a record that nobody wants."""
        self.end += 1

    def release(self, offset: int) -> None:
        """One group no longer needs the record; the last one frees it."""
        stored = self.kept[offset]
        stored.waiting -= 1
        if stored.waiting == 0:
            del self.kept[offset]
            self.bytes -= stored.size


class Cursor:
    """The position of one group in one log: its reader, the epoch, and the unread or unacknowledged records.

    Records that a former owner did not acknowledge are delivered to the next one, before any new record.
    """

    __slots__ = ("_acks", "_again", "_fresh", "_log", "epoch", "owner", "unacked_bytes", "unacked_records")

    def __init__(self, log: Log) -> None:
        self._log = log
        self._acks = PartitionAcks()
        self._again: deque[int] = deque()
        self._fresh = min(log.kept, default=log.end)
        self.owner: object | None = None
        self.epoch = 0
        self.unacked_records = len(log.kept)
        self.unacked_bytes = log.bytes
        for stored in log.kept.values():
            stored.waiting += 1

    def appended(self, size: int) -> None:
        self.unacked_records += 1
        self.unacked_bytes += size

    def reassign(self, owner: object | None, epoch: int) -> None:
        """A new assignment. Acknowledgements of the former one no longer count."""
        self._again.extendleft(reversed(self._acks.unacked()))
        self._acks = PartitionAcks()
        self.owner = owner
        self.epoch = epoch

    def take(self, limit: int) -> list[Record]:
        """The next records to deliver, in offset order."""
        taken: list[Record] = []
        while len(taken) < limit and (offset := self._next()) is not None:
            self._acks.delivered(offset)
            it = self._log.kept[offset].record
            taken.append(
                Record(it.topic, it.partition, offset, it.key, it.value, it.headers, it.append_time_ms, self.epoch)
            )
        return taken

    def ack(self, offset: int) -> bool:
        """Release the record for this group; False for a duplicate."""
        if not self._acks.ack(offset):
            return False
        self.unacked_records -= 1
        self.unacked_bytes -= self._log.kept[offset].size
        self._log.release(offset)
        return True

    def oldest_append_time_ms(self) -> int | None:
        if not self.unacked_records:
            return None
        offset = self._acks.oldest
        if offset is None:
            offset = self._again[0] if self._again else self._skip_freed()
        return self._log.kept[offset].record.append_time_ms

    def unread(self) -> bool:
        """Whether `take` would return a record."""
        return bool(self._again) or self._skip_freed() < self._log.end

    def _next(self) -> int | None:
        if self._again:
            return self._again.popleft()
        offset = self._skip_freed()
        if offset == self._log.end:
            return None
        self._fresh += 1
        return offset

    def _skip_freed(self) -> int:
        """Move past offsets that were freed before this group began."""
        while self._fresh < self._log.end and self._fresh not in self._log.kept:
            self._fresh += 1
        return self._fresh
