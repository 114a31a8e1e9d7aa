"""Runs stages as threads of one process. They start and drain together; the first error ends them all."""

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
from stream.runtime.malloc import keep_freed_memory, share_heaps
from stream.topology.stage import Role, Stage
from stream.topology.topics import TOPICS, Topic
from stream.worker.backpressure import Readers
from stream.worker.pace import DEFAULT_PACE, Pace
from stream.worker.worker import Worker

_log = logging.getLogger(__name__)


class StageThreads:
    """`stage.concurrency` workers per stage, each on its own thread. Use as a context manager: leaving drains them.

    `readers` are the consumer groups of each topic, including those of other processes (`Topology.groups`). The stages'
    own groups are declared at the broker before anything starts, so they miss no early record. A worker has `grace_s`
    after the drain's deadline to close.
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
        stages = tuple(stages)
        # Before any record is read, because it holds for the memory of the whole process.
        keep_freed_memory()
        if any(stage.role is Role.SINK for stage in stages):
            share_heaps()
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
        self._threads: list[threading.Thread] = []
        for worker in self._workers:
            self.beside(worker.state.stage, partial(worker.run, abandon=self._abandon))

    def beside(self, name: str, work: Callable[[threading.Event], None]) -> None:
        """Adds a thread that starts and ends with the workers. `work` gets the event that ends
        it. Call before start.
        """
        # Daemon threads: a worker that is stuck in a library must not keep the process from exiting.
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
        """Works until `stop`. Raises the error that ended a worker."""
        while not stop.wait(0.5):
            self.check()

    def stop(self) -> list[str]:
        """Drains all workers. Returns the stages of workers that did not end in time; their work stays unacknowledged.
        Workers that are still opening their operator are left out, because they have no work.
        """
        self._stop.set()
        opening = [thread for thread, state in zip(self._threads, self.states(), strict=False) if not state.joined]
        deadline_s = self._clock.monotonic_s() + self._patience_s
        # One deadline for all: each thread gets what the others left.
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline_s - self._clock.monotonic_s()))
        return [thread.name for thread in self._threads if thread.is_alive() and thread not in opening]

    def abandon(self) -> None:
        """Stops, and waits for work in flight only until its next output."""
        self._abandon.set()
        self._stop.set()

    def check(self) -> None:
        """Raises the first error that ended a worker."""
        if self._errors:
            # The first error: later ones are mostly its consequences.
            raise self._errors[0]

    def wait(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s` of real time. Returns whether an error has ended a worker."""
        return self._ended.wait(timeout_s)

    def wait_ready(self, timeout_s: float) -> bool:
        """Waits until every worker has opened its operator and joined its group; false if that takes longer.

        Raises the error that ended a worker meanwhile.
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
        """The dependency that each paused stage waits for. Throttling is normal in a pipeline and is left out."""
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
            # All stop: the other stages would only pile up records for the one that is gone.
            self._stop.set()
            self._ended.set()
