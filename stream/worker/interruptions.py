"""When a worker interrupts its work: to poll and settle, or because the time to drain is over."""

import threading

from stream.clock import Clock
from stream.worker.backpressure import Throttle
from stream.worker.outputs import Outputs


class Interruptions:
    """`stop` asks the worker to end; work in flight may go on for `drain_s`. `abandon` ends that time at once."""

    def __init__(self, throttle: Throttle, outputs: Outputs, clock: Clock, drain_s: float) -> None:
        self._throttle = throttle
        self._outputs = outputs
        self._clock = clock
        self._drain_s = drain_s
        self._stopped_s: float | None = None
        self.stop = threading.Event()
        self.abandon = threading.Event()

    def over(self, now_s: float, until_s: float) -> bool:
        """Whether it is time to poll and settle."""
        return self.stop.is_set() or now_s >= until_s or self._throttle.due(now_s, self._outputs.sent_bytes)

    def overdue(self) -> bool:
        """Whether a stop was requested and the time to drain is over."""
        if not self.stop.is_set():
            return False
        if self.abandon.is_set():
            return True
        now_s = self._clock.monotonic_s()
        # The time to drain begins when the work first sees the stop, not when a signal came during a long call.
        self._stopped_s = now_s if self._stopped_s is None else self._stopped_s
        return now_s - self._stopped_s >= self._drain_s
