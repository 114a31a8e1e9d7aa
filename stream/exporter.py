"""The exporter: a process that watches from beside and lives also when no worker does."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from stream import metrics
from stream.clock import Clock
from stream.errors import Unavailable
from stream.flow import Snapshot
from stream.health import Answer, served
from stream.metrics import Definition
from stream.observer import Observation, Observer

_log = logging.getLogger(__name__)
Family = GaugeMetricFamily | CounterMetricFamily
Sample = tuple[tuple[str, ...], float]


class Exporter(Collector):
    """`step()` observes once; `/metrics` shows the last observation.

    An observation older than `stale_s` is not shown any more: a number that stands still would hide that nobody looks.
    """

    def __init__(self, observer: Observer, clock: Clock, *, stale_s: float = 60.0) -> None:
        self._observer = observer
        self._clock = clock
        self._stale_s = stale_s
        self._failures: Counter[str] = Counter()
        self._why = "has not looked yet"
        self._last: Observation | None = None

    def step(self) -> None:
        """One round. A cluster that does not answer is counted and asked again by the next."""
        try:
            self._last = self._observer.step()
        except Unavailable as error:
            if self._why != error.message:
                _log.warning("exporter: %s (%s)", error.message, error.code)
            self._failures[error.code] += 1
            self._why = error.message
        else:
            self._why = ""

    def ready(self) -> Answer:
        return (True, "ok") if self._current() is not None else (False, self._why or "the last look is too old")

    def collect(self) -> Iterator[Family]:
        yield _family(metrics.OBSERVATION_FAILURES, [((code,), count) for code, count in self._failures.items()])
        found = self._current()
        if found is not None:
            yield from _of_stages(found.snapshot)
            yield _family(metrics.DESIRED_REPLICAS, [((stage,), count) for stage, count in found.desired.items()])
            yield _family(metrics.LETTERS_WRITTEN, [((), found.snapshot.dead_letters)])
            yield _family(metrics.OPEN_ASSETS, [((), found.snapshot.open_assets)])
            yield _family(metrics.OBSERVED, [((), found.snapshot.at_ms / 1000)])
            yield _family(metrics.OBSERVATION, [((), found.took_s)])

    def describe(self) -> list[Family]:
        return []

    def _current(self) -> Observation | None:
        last = self._last
        if last is None or self._clock.now_ms() - last.snapshot.at_ms > self._stale_s * 1000:
            return None
        return last


def run_exporter(
    observer: Observer,
    stop: threading.Event,
    announce: Callable[[int], None],
    *,
    clock: Clock,
    interval_s: float,
    host: str,
    port: int,
) -> None:
    """Observe every `interval_s` and serve `/metrics`, `/healthz` and `/readyz` until `stop`; `announce` is told the
    port.
    """
    exporter = Exporter(observer, clock, stale_s=max(30.0, 4 * interval_s))
    registry = CollectorRegistry()
    registry.register(exporter)
    with served(registry, healthy=lambda: (True, "ok"), ready=exporter.ready, host=host, port=port) as bound:
        announce(bound)
        while not stop.is_set():
            exporter.step()
            stop.wait(interval_s)


def _of_stages(snapshot: Snapshot) -> Iterator[Family]:
    stages = snapshot.every
    lanes = [(flow.stage, lane, it) for flow in snapshot.stages for lane, it in flow.lanes.items()]
    waits = [(flow.stage, lane, it) for flow in stages for lane, it in flow.lanes.items()]
    yield _family(metrics.FRESHNESS_LAG, [((stage, lane), it.freshness_lag_s) for stage, lane, it in lanes])
    yield _family(metrics.WAITING, [((stage, lane), it.waiting_video_s) for stage, lane, it in waits])
    yield _family(metrics.ARRIVAL, [((stage, lane), it.arrival) for stage, lane, it in lanes])
    yield _family(metrics.BACKLOG, [((flow.stage,), flow.backlog_video_s) for flow in stages])
    yield _family(metrics.SERVICE, [((flow.stage,), flow.service) for flow in stages])
    yield _family(metrics.STUCK, [((flow.stage,), flow.stuck_partitions) for flow in stages])
    yield _family(metrics.REPLICAS, [((flow.stage,), flow.replicas) for flow in stages])
    yield _family(
        metrics.OFFSET_LAG,
        [((stage, topic), count) for stage, read in snapshot.offset_lag.items() for topic, count in read.items()],
    )


def _family(it: Definition, samples: list[Sample]) -> Family:
    kind = CounterMetricFamily if it.kind == "counter" else GaugeMetricFamily
    family: Family = kind(it.name, it.help, labels=it.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
