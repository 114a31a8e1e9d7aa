"""An observer that reports failures instead of raising them, so that they end nothing that depends on it (ADR 0033)."""

import logging
import threading
from dataclasses import dataclass

from stream.clock import Clock
from stream.errors import Fatal, StageError, Unavailable, unexpected
from stream.freshness.observer import Observation, Observer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ObserverFailure:
    """Why nothing is observed, and the time of the last good observation (else of the first attempt)."""

    since_ms: int
    code: str
    message: str


class SupervisedObserver:
    """Observes repeatedly. `last` is the latest observation. `blind` is the reason of the failures since then; None
    while all is well. `observe` and `follow` from one thread; any thread may read the rest. `failures` counts by code.
    """

    def __init__(self, observer: Observer, clock: Clock) -> None:
        self._observer = observer
        self._clock = clock
        self.last: Observation | None = None
        self.blind: ObserverFailure | None = None
        self.failures: dict[str, int] = {}
        self.refused: Fatal | None = None

    def observe(self) -> bool:
        """Whether the observation succeeded. Raises `Fatal` only before the first success: then the address or the
        credentials are wrong, and whoever started the process should know at once.
        """
        try:
            found = self._observer.step()
        except Exception as error:
            # A wrong address or login lasts. After a first success the same error is an outage.
            if isinstance(error, Fatal) and self.last is None:
                raise
            self._lost(error if isinstance(error, StageError) else unexpected(error))
        else:
            if self.blind is not None:
                _log.info("the observer observes the cluster again")
            self.last, self.blind = found, None
        return self.blind is None

    def now(self) -> Observation:
        """One observation that must succeed. Raises `Unavailable`, `Fatal`."""
        self.observe()
        if self.blind is not None or self.last is None:
            blind = self.blind or ObserverFailure(0, "broker_unavailable", "nothing was seen")
            raise Unavailable(blind.message, code=blind.code)
        return self.last

    def follow(self, stop: threading.Event, interval_s: float) -> None:
        """Until `stop`, or until the cluster refuses the first observation; `refused` then holds the error."""
        try:
            while not stop.is_set():
                self.observe()
                # Waits also after a failure: a broker that refuses at once must not be asked in a tight loop.
                stop.wait(interval_s)
        except Fatal as error:
            self.refused = error

    def check(self) -> None:
        """Raises the error that ended `follow`."""
        if self.refused is not None:
            raise self.refused

    def blind_s(self) -> float:
        """Seconds without an observation; 0 while all is well."""
        return 0.0 if self.blind is None else max(0, self._clock.now_ms() - self.blind.since_ms) / 1000

    def _lost(self, error: StageError) -> None:
        # One line for each new reason: the same outage fails in every round.
        if self.blind is None or self.blind.message != error.message:
            _log.warning("the observer is blind: %s (%s)", error.message, error.code)
        if self.blind is not None:
            since_ms = self.blind.since_ms
        else:
            # Never seen anything: blind since the first attempt.
            since_ms = self._clock.now_ms() if self.last is None else self.last.snapshot.at_ms
        self.blind = ObserverFailure(since_ms, error.code, error.message)
        self.failures[error.code] = self.failures.get(error.code, 0) + 1
