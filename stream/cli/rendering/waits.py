"""How long footage waits at each stage, observed during an ingest."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from stream.cli.options.observer import Watched, deployed, observing, observing_in_background
from stream.cli.options.sessions import Cluster
from stream.cli.rendering.durations import duration
from stream.freshness.autoscaler import ScalingPolicy
from stream.freshness.supervised_observer import SupervisedObserver

INTERVAL_S = 1.0


class Waits:
    """Calling it gives the waiting times of the last observation by stage, in words. Empty while observations fail.
    Thread-safe.
    """

    def __init__(self, observer: SupervisedObserver) -> None:
        self._observer = observer

    def __call__(self) -> Mapping[str, str]:
        last = self._observer.last
        # Old times would count on: nothing is better than a wrong number.
        if last is None or self._observer.blind is not None:
            return {}
        ages = {flow.stage: flow.lane("interactive").freshness_lag_s for flow in last.snapshot.stages}
        return {stage: f"waits {duration(age_s)}" for stage, age_s in ages.items() if age_s}


@contextmanager
def waiting(cluster: Cluster) -> Iterator[Waits]:
    """Observes once per second during the block."""
    with (
        observing(Watched(cluster, deployed(), ScalingPolicy())) as observer,
        observing_in_background(observer, INTERVAL_S),
    ):
        yield Waits(observer)
