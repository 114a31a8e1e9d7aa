"""A stage's place in its consumer group: joined, polled, left."""

import logging
from collections.abc import Sequence

from stream.broker.contract import Broker, Consumer, Record
from stream.errors import Unavailable
from stream.observability.status import Status
from stream.topology.stage import Stage
from stream.worker.work import Work

_log = logging.getLogger(__name__)


class Membership:
    """`consumer` is None outside of the group. The consumer is paused only while nothing more fits."""

    def __init__(self, stage: Stage, broker: Broker, status: Status) -> None:
        self._stage = stage
        self._broker = broker
        self._status = status
        self._paused = False
        self.consumer: Consumer | None = None
        self.polled_s = float("-inf")

    @property
    def trouble(self) -> str | None:
        """What keeps records away that no poll has met yet."""
        consumer = self.consumer
        return None if consumer is None else consumer.trouble

    def join(self, in_hand: int) -> Consumer:
        """Raises `Unavailable`."""
        consumer = self.consumer = self._broker.consumer(self._stage.sources, self._stage.name, in_hand=in_hand)
        self._status.joined()
        _log.info("stage %s: joined its group", self._stage.name)
        return consumer

    def poll(self, consumer: Consumer, room: int, timeout_s: float, now_s: float) -> Sequence[Record]:
        """Which also keeps the membership alive. Raises `Unavailable`."""
        if (room == 0) is not self._paused:
            self._paused = room == 0
            (consumer.pause if room == 0 else consumer.resume)()
        records = consumer.poll(max(1, room), timeout_s)
        self.polled_s = now_s
        return records

    def abandon(self, consumer: Consumer) -> None:
        """Leave a broker that does not answer; what is in hand comes again, perhaps to another member."""
        self.consumer = None
        self._paused = False
        try:
            consumer.close()
        except Unavailable:
            _log.info("stage %s: left a group that does not answer", self._stage.name)

    def leave(self) -> Consumer | None:
        """Out of the group as far as the worker is concerned; what it returns is to be closed."""
        consumer, self.consumer = self.consumer, None
        self._status.left()
        if consumer is not None:
            _log.info("stage %s: leaves its group", self._stage.name)
        return consumer

    def try_alone(self, work: Work) -> None:
        """Before a record that may have killed its reader is tried: the next owner will know which one it was."""
        if self.consumer is not None:
            self.consumer.try_alone(work.record)

    def put_off(self, work: Work) -> None:
        """It did not kill; whoever dies while it waits for another attempt does not die of it."""
        if work.record.deaths is not None and self.consumer is not None:
            self.consumer.put_off(work.record)
