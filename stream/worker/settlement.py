"""Acknowledges records whose outputs are durable."""

from collections.abc import Sequence

from stream.broker.contract import Consumer
from stream.clock import Clock
from stream.errors import Unavailable
from stream.observability.status import Status
from stream.worker.buffer import Buffer
from stream.worker.outputs import Outcome, Outputs, refused
from stream.worker.pace import Pace
from stream.worker.pauses import Pauses
from stream.worker.work import Work


class Settlement:
    """Flushes outputs and acknowledges the records whose outputs are durable. Other records go back into the buffer."""

    def __init__(
        self, outputs: Outputs, buffer: Buffer, *, pauses: Pauses, status: Status, clock: Clock, pace: Pace
    ) -> None:
        self._outputs = outputs
        self._buffer = buffer
        self._pauses = pauses
        self._status = status
        self._clock = clock
        self._pace = pace

    def settle(self, consumer: Consumer, *, force: bool) -> None:
        """Settles with `force`, and while busy once per flush interval. A record without outputs is acknowledged at
        once: until the next flush it would have left the processor's caches.
        """
        for outcome, works in self._outputs.without_outputs().items():
            self._acknowledge(consumer, outcome, works)
        since_s = self._outputs.waiting_since_s
        if force:
            # Also outputs of a record that failed after them or gave way: a throttle that counts them would never open.
            if since_s is None and not self._outputs.unsettled_bytes:
                return
        elif since_s is None or self._clock.monotonic_s() - since_s < self._pace.flush_interval_s:
            return
        try:
            settled, again = self._outputs.flush(self._pace.flush_timeout_s)
        except Unavailable as error:
            # Nothing is acknowledged: outputs that are not durable may be lost, so their records must come again.
            self._pauses.begin(error)
            return
        for outcome, works in settled.items():
            self._acknowledge(consumer, outcome, works)
        if again:
            self._buffer.put_back(again)
            self._pauses.begin(refused(again))

    def _acknowledge(self, consumer: Consumer, outcome: Outcome, works: Sequence[Work]) -> None:
        consumer.ack([work.record for work in works])
        self._status.settled(outcome, len(works))
