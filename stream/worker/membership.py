"""A stage's membership in its consumer group: join, poll, leave."""

import logging
from collections.abc import Sequence

from stream.broker.contract import Broker, Consumer, Record
from stream.errors import Unavailable
from stream.observability.status import Status
from stream.topology.stage import Stage
from stream.worker.work import Work

_log = logging.getLogger(__name__)


class Membership:
    """`consumer` is None outside the group. It is paused only while no record fits."""

    def __init__(self, stage: Stage, broker: Broker, status: Status) -> None:
        self._stage = stage
        self._broker = broker
        self._status = status
        self._paused = False
        self.consumer: Consumer | None = None
        self.polled_s = float("-inf")

    @property
    def trouble(self) -> str | None:
        """The reason why no records come, where no poll has raised it yet."""
        consumer = self.consumer
        return None if consumer is None else consumer.trouble

    def join(self, in_hand: int) -> Consumer:
        """Raises `Unavailable`."""
        consumer = self.consumer = self._broker.consumer(self._stage.sources, self._stage.name, in_hand=in_hand)
        self._status.joined()
        _log.info("stage %s: joined its group", self._stage.name)
        return consumer

    def poll(self, consumer: Consumer, room: int, timeout_s: float, now_s: float) -> Sequence[Record]:
        """The next records. A poll also keeps the membership alive, so it happens without room too. Raises
        `Unavailable`.
        """
        if (room == 0) is not self._paused:
            self._paused = room == 0
            (consumer.pause if room == 0 else consumer.resume)()
        records = consumer.poll(max(1, room), timeout_s)
        self.polled_s = now_s
        return records

    def abandon(self, consumer: Consumer) -> None:
        """Leave a broker that does not answer. Unacknowledged records are redelivered, perhaps to another member."""
        self.consumer = None
        self._paused = False
        try:
            consumer.close()
        except Unavailable:
            _log.info("stage %s: left a group that does not answer", self._stage.name)

    def leave(self) -> Consumer | None:
        """Leave the group for the worker's purposes. The caller closes the returned consumer."""
        consumer, self.consumer = self.consumer, None
        self._status.left()
        if consumer is not None:
            _log.info("stage %s: leaves its group", self._stage.name)
        return consumer

    def try_alone(self, work: Work) -> None:
        """Call it before a record that may have killed its reader: the next owner will know which record it was."""
        if self.consumer is not None:
            self.consumer.try_alone(work.record)

    def put_off(self, work: Work) -> None:
        """The trial is over and nobody died: a death while the record waits for another attempt does not count."""
        if work.record.deaths is not None and self.consumer is not None:
            self.consumer.put_off(work.record)
