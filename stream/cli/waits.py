"""How old the footage is that waits at each stage, looked at beside an ingest."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from stream.cli.lag import duration
from stream.cli.sessions import Cluster
from stream.cli.watching import Watched, observing
from stream.errors import Unavailable
from stream.observer import Observation, Observer
from stream.scaling import ScalingPolicy

INTERVAL_S = 1.0


class Waits:
    """The last look's ages in words by stage, of stages at which anything waits; may be asked from any thread."""

    def __init__(self) -> None:
        self._last: Observation | None = None

    def __call__(self) -> Mapping[str, str]:
        if self._last is None:
            return {}
        ages = {flow.stage: flow.lane("interactive").freshness_lag_s for flow in self._last.snapshot.stages}
        return {stage: f"waits {duration(age_s)}" for stage, age_s in ages.items() if age_s}

    def follow(self, observer: Observer, stop: threading.Event) -> None:
        while not stop.is_set():
            with suppress(Unavailable):  # the next look tells
                self._last = observer.step()
            stop.wait(INTERVAL_S)


@contextmanager
def waiting(cluster: Cluster) -> Iterator[Waits]:
    """Looks once a second for the block."""
    waits, stop = Waits(), threading.Event()
    with observing(Watched(cluster, ScalingPolicy())) as observer:
        thread = threading.Thread(target=waits.follow, args=(observer, stop), name="waits", daemon=True)
        thread.start()
        try:
            yield waits
        finally:
            stop.set()
            thread.join()
