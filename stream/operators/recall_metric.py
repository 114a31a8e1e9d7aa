"""The recall of vector indexes as a metric, sampled beside the workers."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from stream.clock import Clock
from stream.errors import StageError
from stream.observability.metrics import Metrics

Sample = tuple[str, str, float]
"""Space, column, and the share that was found."""

_SAMPLES = 32
_REST = 99
_log = logging.getLogger(__name__)


class IndexRecall:
    """Asks `sample` every `interval_s`, or as rarely as it takes to spend a hundredth of the time on it: each sample
    reads every vector. The metric is the mean of the last samples of each index.
    """

    def __init__(
        self, metrics: Metrics, sample: Callable[[], Iterable[Sample]], clock: Clock, *, interval_s: float = 120.0
    ) -> None:
        self._metrics = metrics
        self._sample = sample
        self._clock = clock
        self._interval_s = interval_s
        self._shares: dict[tuple[str, str], deque[float]] = {}

    def run(self, stop: threading.Event) -> None:
        """After a first rest, and again until `stop`."""
        rest_s = self._interval_s
        while not stop.wait(rest_s):
            rest_s = self.step()

    def step(self) -> float:
        """Sample once; how many seconds to rest. A store that cannot be read is asked again later."""
        began_s = self._clock.monotonic_s()
        try:
            for space, column, share in self._sample():
                shares = self._shares.setdefault((space, column), deque(maxlen=_SAMPLES))
                shares.append(share)
                self._metrics.recall.labels(space, column).set(sum(shares) / len(shares))
        except StageError as error:
            _log.warning("recall is not sampled, %s (%s)", error.message, error.code)
        return max(self._interval_s, _REST * (self._clock.monotonic_s() - began_s))
