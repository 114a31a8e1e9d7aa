"""The state of a worker, as a snapshot for people and as gauges for Prometheus. Both change in one place."""

from collections.abc import Mapping
from dataclasses import dataclass

from stream.observability.metrics import StageMetrics


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A snapshot. `paused` is the reason why the worker does not pull (`unavailable: ...`, `throttled: ...`), else
    None.

    `outcomes`: acknowledged records by outcome. `in_flight`: records received and not acknowledged. `delayed`: how many
    of these wait for another attempt.
    """

    stage: str
    joined: bool
    ready: bool
    paused: str | None
    outcomes: Mapping[str, int]
    in_flight: int
    delayed: int


class Status:
    """The worker's thread writes it; any thread may read it."""

    def __init__(self, stage: str, metrics: StageMetrics) -> None:
        self._stage = stage
        self._metrics = metrics
        self._outcomes: dict[str, int] = {}
        self._joined = False
        self._ready = False
        self._paused: str | None = None
        self._in_flight = 0

    def snapshot(self, *, delayed: int, trouble: str | None = None) -> WorkerState:
        """`trouble`: a reason why no records come that the worker's own thread has not seen yet."""
        return WorkerState(
            stage=self._stage,
            joined=self._joined,
            ready=self._ready and trouble is None,
            paused=self._paused or trouble,
            # A copy, as other threads read it while this one counts.
            outcomes=self._outcomes.copy(),
            in_flight=self._in_flight,
            delayed=delayed,
        )

    def joined(self) -> None:
        self._joined = True

    def left(self) -> None:
        """The worker left the group: nothing is in flight, ready or paused any more."""
        self._joined = False
        self.ready(False)
        self.paused(None)
        self.in_flight(-self._in_flight)

    def ready(self, ready: bool) -> None:
        if ready is not self._ready:
            self._ready = ready
            self._metrics.ready.inc(1 if ready else -1)

    def paused(self, reason: str | None) -> None:
        """The reason why the worker does not pull. The word before the colon labels the gauge."""
        if reason == self._paused:
            return
        for paused, change in ((self._paused, -1), (reason, 1)):
            if paused is not None:
                self._metrics.paused(paused.partition(":")[0], change)
        self._paused = reason

    def in_flight(self, change: int) -> None:
        self._in_flight += change
        self._metrics.in_flight.inc(change)

    def settled(self, outcome: str, records: int) -> None:
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + records
        self._metrics.settled(outcome, records)
        self.in_flight(-records)
