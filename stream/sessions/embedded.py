"""The understanding topology in one process on the memory broker, over a state directory."""

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from sinks.maintenance.marker import identified
from sinks.maintenance.reconcile import missing_retirements, newest_version_ms
from sinks.writer import recover_stores
from stream.broker.memory.broker import MemoryBroker
from stream.clock import Clock
from stream.control.journal import UsageJournal
from stream.control.progress import Progress
from stream.events.base import Event
from stream.observability.metrics import Metrics
from stream.pipelines.settings import Settings
from stream.pipelines.understanding import Understanding
from stream.runtime.threads import StageThreads
from stream.sessions.session import OnProgress, RawRecord
from stream.sessions.state_lock import state_lock
from stream.sessions.tenant_register import read_tenants
from stream.topology.codec import EventDecoder, encode
from stream.topology.ownership import TENANT_TOPICS
from stream.topology.tenants import Tenants
from stream.topology.topics import ASSETS, PROGRESS, RETIREMENTS, Topic
from stream.worker.pace import Pace

PROGRESS_GROUP = "progress-reducer"


class Embedded:
    """A session that runs all stages itself, over `settings.state_dir`, which it holds alone.

    Raises `Unavailable` when another process holds the directory, `Fatal` when it cannot be written, belongs to another
    deployment, or has a register of tenants that cannot be read. Tenants count as they are when the session begins.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._held = ExitStack()
        self._epoch_ms = clock.now_ms()
        self._tenants = Tenants()
        self.understanding = Understanding(settings, clock, epoch_ms=self._epoch_ms, alone=True, tenants=self._tenants)
        self.progress = Progress()
        self.searchable_s: dict[tuple[str, str], float] = {}  # nobody but this process published: it is the run's time
        self._usage = UsageJournal(settings.usage_file)

    @property
    def farewell(self) -> str:
        return "Run the same command again to resume."

    def __enter__(self) -> Self:
        with ExitStack() as held:
            # First of all: two processes would mix their writes before either noticed.
            held.enter_context(state_lock(self._settings.state_dir))
            # Under the lock, because the first one writes the mark.
            identified(self._settings.state_dir, self._settings.stores, self._settings.deployment)
            held.callback(self.understanding.close)
            # They import for as long as this process does, on another core.
            self.understanding.start_decoders()
            recover_stores(*self._settings.stores)
            for tenant in read_tenants(self._settings.state_dir):
                self._tenants.received(tenant)
            self._assemble(held)
            self._held = held.pop_all()
        return self

    def _assemble(self, held: ExitStack) -> None:
        self.topology = self.understanding.topology(gated=True)
        self.broker = MemoryBroker(
            self._clock,
            partitions=max(2, self._settings.decode_children),
            # Nobody reads the topics later, so records without a reader would only fill memory.
            keep_unclaimed=False,
            # Versions must rise over restarts, even where the clock has been set back.
            append_floor_ms=newest_version_ms(self._settings.index_dir, self._clock.now_ms() - 1) + 1,
        )
        self.broker.ensure(topic.spec(1) for topic in self.topology.topics)
        for stage in self.topology.stages:
            for topic in stage.sources:
                self.broker.declare(topic, stage.name)
        held.callback(self.broker.close)
        self._reader = self.broker.consumer([PROGRESS.name], PROGRESS_GROUP)
        self._decoder = EventDecoder([PROGRESS])
        self._producer = self.broker.producer()
        # What a killed run did not tell the other store. It comes first, before anything new is stored.
        self._append(RETIREMENTS, missing_retirements(self._settings.index_dir, self._settings.parquet_dir))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def publish(self, events: Iterable[Event]) -> None:
        topics = self._tenants.topics()
        # Each tenant's through its own topic, where it has one: its limits hold here too.
        sent = [(topics.get(TENANT_TOPICS + event.tenant, ASSETS), event) for event in events]
        # All before the first is sent: whoever typed them is told at once, instead of by dead letters.
        for topic, event in sent:
            if topic.owner is not None:
                topic.owner.project(event.project)
        for topic, event in sent:
            self._append(topic, [event])

    def send(self, records: Iterable[RawRecord]) -> None:
        for record in records:
            self._producer.send(record.topic, record.key, record.value, record.headers)
        self._producer.flush(10.0)

    def run(
        self,
        stop: threading.Event,
        on_progress: OnProgress,
        *,
        interval_s: float = 0.2,
        more: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Everything is final when every record is acknowledged."""
        with self._threads() as threads:
            finished = False
            while not (finished or stop.is_set()):
                # `more` is asked last: it may send the next part only when nothing is left.
                finished = self.broker.wait_quiescent(interval_s) and not self._drain_progress() and not more()
                self._drain_progress()
                threads.check()
                on_progress(self.progress, threads.paused())
        # The threads have ended: their last reports may have come after the loop.
        self._drain_progress()
        on_progress(self.progress, {})
        return finished

    def _append(self, topic: Topic, events: Iterable[Event]) -> None:
        for event in events:
            record = encode(event, topic)
            self._producer.send(topic.name, record.key, record.value, record.headers)
        self._producer.flush(10.0)

    def _threads(self) -> StageThreads:
        return StageThreads(
            self.topology.stages,
            self.broker,
            clock=self._clock,
            metrics=Metrics(CollectorRegistry()),
            readers=self.topology.groups(),
            topics=self.topology.known,
            pace=Pace(poll_timeout_s=0.1, drain_s=self._settings.drain_timeout_s),
        )

    def _drain_progress(self) -> int:
        records = self._reader.poll(10_000, 0.0)
        payloads = [self._decoder.decode(record).data for record in records]
        self.progress.apply(payloads)
        self._usage.add(payloads)
        # Acknowledged after the journal has them: a kill in between repeats them, and a join ignores that.
        self._reader.ack(records)
        return len(records)
