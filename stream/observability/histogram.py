"""A Prometheus histogram with one writer per thread. That of prometheus_client takes locks, and one observation then
costs a worker as much as all its acknowledgements (ADR 0028).
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class ThreadHistogram:
    """The measurements of one thread; any thread may read them."""

    __slots__ = ("_bounds", "counts", "total_s")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total_s = 0.0

    def observe(self, seconds: float) -> None:
        """Counts in the first bucket whose bound is not exceeded."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total_s += seconds


class ThreadedHistogram(Collector):
    """The metric family. `buckets` are its upper bounds in seconds, rising, without infinity."""

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
        """A new histogram for each caller. Those with equal labels are summed when they are scraped."""
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
