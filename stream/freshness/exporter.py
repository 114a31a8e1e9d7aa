"""The exporter: a process that observes from outside the workers and runs also when no worker does."""

import threading
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from stream.broker.names import DEFAULT
from stream.clock import Clock
from stream.freshness.observer import Observation, WaitingForGate
from stream.freshness.snapshot import Snapshot
from stream.freshness.supervised_observer import SupervisedObserver
from stream.observability import metrics
from stream.observability.http_endpoints import Answer, served
from stream.observability.labels import labelled
from stream.observability.metrics import Definition
from stream.topology.unit import Unit

Family = GaugeMetricFamily | CounterMetricFamily
Sample = tuple[Sequence[str], float]


class Exporter(Collector):
    """`/metrics` shows the latest observation.

    An observation older than `stale_s` is not shown: a number that stands still would hide that nobody observes.
    """

    def __init__(self, observer: SupervisedObserver, clock: Clock, *, stale_s: float = 60.0) -> None:
        self._observer = observer
        self._clock = clock
        self._stale_s = stale_s

    def ready(self) -> Answer:
        """Not ready from the first failed observation on, although the last good one is still shown for a while."""
        blind = self._observer.blind
        if blind is not None:
            return False, f"blind for {self._observer.blind_s():.0f} s: {blind.message}"
        if self._observer.last is None:
            return False, "has not observed yet"
        return (True, "ok") if self._current() is not None else (False, "the last observation is too old")

    def collect(self) -> Iterator[Family]:
        failures = list(self._observer.failures.items())
        yield _family(metrics.OBSERVATION_FAILURES, [((code,), count) for code, count in failures])
        yield _family(metrics.BLIND, [((), self._observer.blind_s())])
        found = self._current()
        if found is not None:
            yield from _of_stages(found.snapshot, found.gate)
            yield _family(metrics.DESIRED_REPLICAS, [((stage,), count) for stage, count in found.desired.items()])
            yield _family(metrics.DEAD_LETTERS_WRITTEN, [((), found.snapshot.dead_letters)])
            yield _family(metrics.UNDECIDED, [((topic,), count) for topic, count in found.snapshot.undecided.items()])
            yield _family(metrics.OPEN_ASSETS, [((), found.snapshot.open_assets)])
            yield _family(metrics.OBSERVED, [((), found.snapshot.at_ms / 1000)])
            yield _family(metrics.OBSERVATION, [((), found.took_s)])

    def describe(self) -> list[Family]:
        # An empty description keeps the registry from collecting when it is registered.
        return []

    def _current(self) -> Observation | None:
        last = self._observer.last
        if last is None or self._clock.now_ms() - last.snapshot.at_ms > self._stale_s * 1000:
            return None
        return last


def run_exporter(
    observer: SupervisedObserver,
    stop: threading.Event,
    announce: Callable[[int], None],
    *,
    clock: Clock,
    interval_s: float,
    host: str,
    port: int,
    deployment: str = DEFAULT,
) -> None:
    """Observe every `interval_s` and serve `/metrics`, `/healthz` and `/readyz` until `stop`. Calls `announce` with the
    port.
    """
    # A round that is late by some intervals is normal on a busy cluster.
    exporter = Exporter(observer, clock, stale_s=max(30.0, 4 * interval_s))
    registry = CollectorRegistry()
    registry.register(exporter)
    shown = labelled(registry, deployment)
    # Always healthy: a restart would not bring the broker back, and would lose what was seen.
    with served(shown, healthy=lambda: (True, "ok"), ready=exporter.ready, host=host, port=port) as bound:
        announce(bound)
        while not stop.is_set():
            observer.observe()
            stop.wait(interval_s)


def _of_stages(snapshot: Snapshot, gate: WaitingForGate | None) -> Iterator[Family]:
    stages = snapshot.every
    lags: list[Sample] = [
        ((flow.stage, lane), it.freshness_lag_s) for flow in snapshot.stages for lane, it in flow.lanes.items()
    ]
    replicas: list[Sample] = [((flow.stage,), flow.replicas) for flow in stages]
    left: list[Sample] = [
        ((stage, topic), count) for stage, read in snapshot.offset_lag.items() for topic, count in read.items()
    ]
    if gate is not None:
        # Which lane an event asks for is known behind it; somebody may be waiting for each.
        lags.append(((gate.stage, "interactive"), gate.oldest_s))
        replicas.append(((gate.stage,), gate.workers))
        left += [((gate.stage, topic), count) for topic, count in gate.records.items()]
    yield _family(metrics.FRESHNESS_LAG, lags)
    # One family per unit: seconds and counts must not be summed.
    for unit in dict.fromkeys(flow.unit for flow in stages):
        yield from _of_work(snapshot, unit)
    yield _family(metrics.STUCK, [((flow.stage,), flow.stuck_partitions) for flow in stages])
    yield _family(metrics.REPLICAS, replicas)
    yield _family(metrics.OFFSET_LAG, left)


def _of_work(snapshot: Snapshot, unit: Unit) -> Iterator[Family]:
    """The families of the stages with this unit."""
    stages = [flow for flow in snapshot.every if flow.unit == unit]
    known = [flow for flow in snapshot.stages if flow.unit == unit]
    waits = [((flow.stage, lane), it.waiting) for flow in stages for lane, it in flow.lanes.items()]
    comes = [((flow.stage, lane), it.arrival) for flow in known for lane, it in flow.lanes.items()]
    yield _family(metrics.WAITING.counted_in(unit), waits)
    yield _family(metrics.ARRIVAL.counted_in(unit), comes)
    yield _family(metrics.BACKLOG.counted_in(unit), [((flow.stage,), flow.backlog) for flow in stages])
    yield _family(metrics.SERVICE.counted_in(unit), [((flow.stage,), flow.service) for flow in stages])


def _family(it: Definition, samples: Sequence[Sample]) -> Family:
    kind = CounterMetricFamily if it.kind == "counter" else GaugeMetricFamily
    family: Family = kind(it.name, it.help, labels=it.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
