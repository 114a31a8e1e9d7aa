"""A Prometheus histogram whose writers are threads of their own: prometheus_client's takes locks, and an observation
costs a worker as much as all its acknowledgements.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class ThreadHistogram:
    """What one thread measured; read by any."""

    __slots__ = ("_bounds", "counts", "total_s")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total_s = 0.0

    def observe(self, seconds: float) -> None:
        """Counts in the first bucket whose bound it does not pass."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total_s += seconds


class ThreadedHistogram(Collector):
    """The family: `buckets` are its upper bounds in seconds, rising, without infinity."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation, self._labels, self._buckets = name, documentation, labels, buckets
        self._timings: list[tuple[tuple[str, ...], ThreadHistogram]] = []
        registry.register(self)

    def timing(self, *labels: str) -> ThreadHistogram:
        """A new one for each caller; those of the same labels are added when they are scraped."""
        timing = ThreadHistogram(self._buckets)
        self._timings.append((labels, timing))
        return timing

    def describe(self) -> Iterable[Metric]:
        return [HistogramMetricFamily(self._name, self._documentation, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        bounds = [*map(floatToGoString, self._buckets), "+Inf"]
        for labels in dict.fromkeys(labels for labels, _ in self._timings):
            timings = [timing for known, timing in self._timings if known == labels]
            counts = map(sum, zip(*(timing.counts for timing in timings), strict=True))
            buckets = list(zip(bounds, map(float, accumulate(counts)), strict=True))
            family.add_metric(labels, buckets, sum(timing.total_s for timing in timings))
        return [family]
