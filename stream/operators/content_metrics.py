"""Metrics of what is stored and of what the models say. They hold numbers, never content."""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from stream.clock import Clock
from stream.errors import StageError
from stream.events.annotations import Annotations
from stream.events.grid import SECOND_NS
from stream.observability.metrics import Metrics
from stream.topology.stage import Stage


def watch_scores(metrics: Metrics, annotations: Annotations) -> None:
    """Count one cell. What is tried again is counted again."""
    header, rows = annotations.header, annotations.rows
    metrics.annotated.inc((header.end_ns - header.start_ns) / SECOND_NS)
    # The best tag of a moment: a drift of it shows that footage, weights or decoding changed.
    tagger, moderator = metrics.scores.labels("tagger"), metrics.scores.labels("moderator")
    for tags in rows["tags"].to_pylist():
        if tags:
            tagger.observe(max(tag["score"] for tag in tags))
    for score in rows["moderation_nsfw"].to_pylist():
        if score is not None:
            moderator.observe(score)


class Measured(Protocol):
    """A store, as `sinks.store_size.StoreSize` measures it."""

    def stored_bytes(self, going: Callable[[], bool]) -> int:
        """As far as it came before `going` ended. Raises `StageError`."""

    def free_bytes(self) -> int | None:
        """None where there is no disk that could be full. Raises `StageError`."""


class StoreSizes:
    """Measures the stores that `stages` write, from beside the workers: no scrape walks a disk.

    A walk is repeated every `interval_s`, or as rarely as it takes to spend a twentieth of the time on it.
    """

    def __init__(
        self,
        metrics: Metrics,
        stores: Mapping[str, Measured],
        stages: Iterable[Stage],
        clock: Clock,
        *,
        interval_s: float = 60.0,
    ) -> None:
        self._metrics = metrics
        self._stores = {stage.name: stores[stage.name] for stage in stages if stage.name in stores}
        self._clock = clock
        self._interval_s = interval_s

    def run(self, stop: threading.Event) -> None:
        """At once, and again until `stop`, which also ends a walk."""
        while not stop.wait(self.step(stop)):
            pass

    def step(self, stop: threading.Event) -> float:
        """Measure once; how many seconds to rest."""
        began_s = self._clock.monotonic_s()
        for name, store in self._stores.items():
            # The sink says what is wrong with its store; the figures stay as they were.
            with suppress(StageError):
                if (free := store.free_bytes()) is not None:
                    self._metrics.store_free.labels(name).set(free)
                found = store.stored_bytes(lambda: not stop.is_set())
                # A walk that was cut off has counted too little, and a dashboard would show a drop.
                if not stop.is_set():
                    self._metrics.store_bytes.labels(name).set(found)
        return max(self._interval_s, 19 * (self._clock.monotonic_s() - began_s))
