"""Stages as threads of one process: started together, watched, drained together; the first error ends them all."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Self

from stream.broker.contract import Broker
from stream.clock import Clock
from stream.errors import Fatal
from stream.observability.metrics import Metrics
from stream.observability.status import WorkerState
from stream.runtime.malloc import keep_freed_memory
from stream.topology.stage import Stage
from stream.topology.topics import TOPICS, Topic
from stream.worker.backpressure import Readers
from stream.worker.pace import DEFAULT_PACE, Pace
from stream.worker.worker import Worker

_log = logging.getLogger(__name__)


class StageThreads:
    """`stage.concurrency` workers per stage, each on its own thread. Use as a context manager: leaving drains.

    `readers` are the consumer groups of each topic, of other processes too (`Topology.groups`). The stages' own
    groups are declared at the broker before anything starts, so nothing sent early is lost on them. A worker has
    `grace_s` beyond the drain's deadline to close.
    """

    def __init__(
        self,
        stages: Iterable[Stage],
        broker: Broker,
        *,
        clock: Clock,
        metrics: Metrics,
        readers: Readers,
        topics: Mapping[str, Topic] = TOPICS,
        pace: Pace = DEFAULT_PACE,
        grace_s: float = 5.0,
    ) -> None:
        keep_freed_memory()
        self._clock = clock
        self._patience_s = pace.drain_s + grace_s
        self._stop = threading.Event()
        self._abandon = threading.Event()
        self._ended = threading.Event()
        self._errors: list[BaseException] = []
        self._workers: list[Worker] = []
        for stage in stages:
            for source in stage.sources:
                broker.declare(source, stage.name)
            self._workers += [
                Worker(stage, broker, clock=clock, metrics=metrics, readers=readers, topics=topics, pace=pace)
                for _ in range(stage.concurrency)
            ]
        # Daemons: a worker stuck in foreign code must not keep the process from exiting.
        self._threads: list[threading.Thread] = []
        for worker in self._workers:
            self.beside(worker.state.stage, partial(worker.run, abandon=self._abandon))

    def beside(self, name: str, work: Callable[[threading.Event], None]) -> None:
        """Before the start: `work` shares the workers' fate; it is given the event that ends it."""
        # Daemons: a worker stuck in foreign code must not keep the process from exiting.
        self._threads.append(threading.Thread(target=self._run, args=(name, work), name=name, daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stuck = self.stop()
        if error is None:
            self.check()
            if stuck:
                raise Fatal(f"did not stop in time: {', '.join(sorted(set(stuck)))}", code="drain_timeout")

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`. Raises what ended a worker."""
        while not stop.wait(0.1):
            self.check()

    def stop(self) -> list[str]:
        """Drain all workers; the stages of those that did not end in time, whose work stays unacknowledged. One that
        is still opening its operator has none.
        """
        self._stop.set()
        opening = [thread for thread, state in zip(self._threads, self.states(), strict=False) if not state.joined]
        deadline_s = self._clock.monotonic_s() + self._patience_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline_s - self._clock.monotonic_s()))
        return [thread.name for thread in self._threads if thread.is_alive() and thread not in opening]

    def abandon(self) -> None:
        """Do not wait for work in flight any longer than for its next output."""
        self._abandon.set()
        self._stop.set()

    def check(self) -> None:
        """Raise the first error that ended a worker."""
        if self._errors:
            raise self._errors[0]

    def wait(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` of real time for an error to end a worker; whether one has."""
        return self._ended.wait(timeout_s)

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until every worker has opened its operator and joined its group; false if that takes longer.

        Raises what ended a worker meanwhile.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        while not all(state.ready for state in self.states()):
            self.check()
            if self._clock.monotonic_s() >= deadline_s:
                return False
            self._ended.wait(0.02)
        return True

    def states(self) -> list[WorkerState]:
        """One snapshot per worker, in the order of the stages."""
        return [worker.state for worker in self._workers]

    def paused(self) -> Mapping[str, str]:
        """Stage to which dependency it waits for. Throttling is how a pipeline breathes and is left out."""
        return {
            state.stage: state.paused
            for state in self.states()
            if state.paused is not None and not state.paused.startswith("throttled")
        }

    def _run(self, name: str, work: Callable[[threading.Event], None]) -> None:
        try:
            work(self._stop)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread by `check`
            _log.error("%s: ended by %s", name, type(error).__name__)
            self._errors.append(error)
            self._stop.set()
            self._ended.set()
