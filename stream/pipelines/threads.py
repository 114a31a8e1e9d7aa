"""Stages as threads of one process: started together, watched, drained together."""

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from stream.clock import Clock
from stream.metrics import Metrics
from stream.records import Broker
from stream.topology import Topology
from stream.worker import Pace, Worker


class StageThreads:
    """One thread per worker, `stage.concurrency` of them per stage. Use as a context manager: leaving drains.

    Raises in `check` (and when leaving without another error) what ended a worker before its time.
    """

    def __init__(self, topology: Topology, broker: Broker, clock: Clock, *, drain_timeout_s: float) -> None:
        metrics = Metrics(CollectorRegistry())
        readers = {
            topic: tuple(reader.name for reader in topology.readers(topic))
            for stage in topology.stages
            for topic in stage.throttled_by
        }
        pace = Pace(poll_timeout_s=0.1, drain_s=drain_timeout_s)
        self._workers = [
            Worker(stage, broker, clock=clock, metrics=metrics, readers=readers, pace=pace)
            for stage in topology.stages
            for _ in range(stage.concurrency)
        ]
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(worker,), name=worker.state.stage) for worker in self._workers
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if error is None:
            self.check()

    def check(self) -> None:
        """Raise the first error that ended a worker."""
        if self._errors:
            raise self._errors[0]

    def paused(self) -> Mapping[str, str]:
        """Stage to why it does not pull; throttling is how a pipeline breathes and is left out."""
        states = [worker.state for worker in self._workers]
        return {
            state.stage: state.paused
            for state in states
            if state.paused is not None and not state.paused.startswith("throttled")
        }

    def _run(self, worker: Worker) -> None:
        try:
            worker.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread by `check`
            self._errors.append(error)
            self._stop.set()
