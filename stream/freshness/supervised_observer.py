"""An observer whose failures are told and not raised, so that nothing that depends on it ends with it."""

import logging
import threading
from dataclasses import dataclass

from stream.clock import Clock
from stream.errors import Fatal, StageError, Unavailable, unexpected
from stream.freshness.observer import Observation, Observer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ObserverFailure:
    """Why nothing is seen, and since when: the last look that saw something, or the first of all."""

    since_ms: int
    code: str
    message: str


class SupervisedObserver:
    """Looks again and again. `last` is what was seen last, `blind` why the looks since then saw nothing; None while all
    is well. `observe` and `follow` from one thread, the rest may be read from any. `failures` counts by code.
    """

    def __init__(self, observer: Observer, clock: Clock) -> None:
        self._observer = observer
        self._clock = clock
        self.last: Observation | None = None
        self.blind: ObserverFailure | None = None
        self.failures: dict[str, int] = {}
        self.refused: Fatal | None = None

    def observe(self) -> bool:
        """Whether it saw something. Raises `Fatal` only while nothing was ever seen: then the address or the
        credentials are wrong, and whoever started us should know at once.
        """
        try:
            found = self._observer.step()
        except Exception as error:
            if isinstance(error, Fatal) and self.last is None:
                raise
            self._lost(error if isinstance(error, StageError) else unexpected(error))
        else:
            if self.blind is not None:
                _log.info("the observer sees again")
            self.last, self.blind = found, None
        return self.blind is None

    def now(self) -> Observation:
        """One look that must succeed. Raises `Unavailable`, `Fatal`."""
        self.observe()
        if self.blind is not None or self.last is None:
            blind = self.blind or ObserverFailure(0, "broker_unavailable", "nothing was seen")
            raise Unavailable(blind.message, code=blind.code)
        return self.last

    def follow(self, stop: threading.Event, interval_s: float) -> None:
        """Until `stop`, or until the cluster refuses us at the first look: that is in `refused`."""
        try:
            while not stop.is_set():
                self.observe()
                stop.wait(interval_s)
        except Fatal as error:
            self.refused = error

    def check(self) -> None:
        """Raises what ended `follow`."""
        if self.refused is not None:
            raise self.refused

    def blind_s(self) -> float:
        """Seconds for which nothing has been seen; 0 while all is well."""
        return 0.0 if self.blind is None else max(0, self._clock.now_ms() - self.blind.since_ms) / 1000

    def _lost(self, error: StageError) -> None:
        if self.blind is None or self.blind.message != error.message:
            _log.warning("the observer is blind: %s (%s)", error.message, error.code)
        if self.blind is not None:
            since_ms = self.blind.since_ms
        else:
            since_ms = self._clock.now_ms() if self.last is None else self.last.snapshot.at_ms
        self.blind = ObserverFailure(since_ms, error.code, error.message)
        self.failures[error.code] = self.failures.get(error.code, 0) + 1
