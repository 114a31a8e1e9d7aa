"""Why a worker does not work at the moment. Shown in its status, metrics and log."""

import logging

from stream.clock import Clock
from stream.errors import Unavailable
from stream.observability.metrics import StageMetrics
from stream.observability.status import Status
from stream.topology.stage import Stage
from stream.worker.backpressure import Outage

_log = logging.getLogger(__name__)


class Pauses:
    """An outage of a dependency, or readers that are behind. One thread."""

    def __init__(self, stage: Stage, status: Status, metrics: StageMetrics, clock: Clock) -> None:
        self._stage = stage
        self._status = status
        self._metrics = metrics
        self._clock = clock
        self._outage = Outage(stage.retry)
        self._throttled = f"throttled: {', '.join(stage.throttled_by)}"

    @property
    def error(self) -> Unavailable | None:
        """The dependency that is unavailable; None while there is none."""
        return self._outage.error

    def remaining_s(self, now_s: float) -> float:
        """How long to wait before the next attempt; 0 when it may be made."""
        return self._outage.remaining_s(now_s)

    def begin(self, error: Unavailable) -> None:
        # One line for each outage: its attempts repeat for as long as it lasts.
        if self._outage.error is None:
            _log.warning("stage %s: paused, %s (%s)", self._stage.name, error.message, error.code)
        self._outage.begin(error, self._clock.monotonic_s())
        self._metrics.outage(error.code)
        self._status.ready(False)
        self._status.paused(f"unavailable: {error.message}")

    def end(self) -> None:
        if self._outage.error is not None:
            _log.info("stage %s: resumed", self._stage.name)
        self._outage.end()
        self._status.ready(True)
        self._status.paused(None)

    def succeeded(self) -> None:
        """Work succeeded, so the dependency is available again."""
        if self._outage.attempts:
            self.end()

    def throttle(self, *, blocked: bool) -> None:
        """Report whether the readers are behind."""
        self._status.paused(self._throttled if blocked else None)
