"""A session over a Kafka cluster: it publishes and follows `progress`; the stages run in processes of others."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from stream.broker.contract import Record
from stream.broker.kafka.broker import KafkaBroker
from stream.clock import Clock
from stream.control.completion import Awaited
from stream.control.progress import Progress
from stream.errors import BadEvent, StageError
from stream.events.asset import AssetChanged, AssetStatus
from stream.events.base import Event, Payload
from stream.sessions.sending import appended
from stream.sessions.session import OnProgress, RawRecord
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import ASSETS, PROGRESS, TOPICS
from stream.topology.topology import Topology
from stream.worker.dead_letters import identity

ASK_MEMBERS_EVERY_S = 5.0
LAST_WORDS_S = 1.0
"""The status that a report of cells leads to is sent with it, but may be read a moment later."""


class ClusterSession:
    """Publishes through `broker` and reads `progress` from its end as it was on entering, so that nothing that becomes
    final early is missed. `progress` is the fold of what concerns this session alone; `searchable_s`, by tenant and
    asset id, is how long after its publication an asset was ready, both by the broker's clock.
    """

    def __init__(self, broker: KafkaBroker, topology: Topology, clock: Clock, *, address: str) -> None:
        self._broker = broker
        self._stages = [stage.name for stage in topology.stages]
        self._clock = clock
        self._address = address
        self._awaited = Awaited(topology.settling)
        self._decoder = EventDecoder([PROGRESS])
        self._waiting: Mapping[str, str] = {}
        self._ask_s = 0.0
        self._sent_again = False
        self._held = ExitStack()
        self.progress = Progress()
        self.searchable_s: dict[tuple[str, str], float] = {}

    @property
    def farewell(self) -> str:
        return f"The workers go on; `rushes status --broker {self._address}` shows how far they are."

    def __enter__(self) -> Self:
        with ExitStack() as held:
            # The tail before the producer: what becomes final right after publishing must not be missed (ADR 0018).
            self._tail = self._broker.tail(PROGRESS.name)
            held.callback(self._tail.close)
            self._producer = self._broker.producer(places=True)
            held.callback(self._producer.close)
            # Only now: if one of them cannot be opened, the others are closed again.
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def publish(self, events: Iterable[Event]) -> None:
        encoded = [(event, encode(event)) for event in events]
        records = (RawRecord(ASSETS.name, each.key, each.value, each.headers) for _, each in encoded)
        places = appended(self._producer, records)
        for (event, _), version in zip(encoded, places, strict=True):
            self._awaited.published(event.tenant, event.subject, version)

    def send(self, records: Iterable[RawRecord]) -> None:
        """What it cannot read on another topic than `assets` it does not wait for: that becomes a dead letter again."""
        sent = list(records)
        for record, version in zip(sent, appended(self._producer, sent), strict=True):
            event = _decoded(record)
            if record.topic == ASSETS.name:
                # As the workers judge it: a record that is no event may still publish an asset.
                who = identity(Record(record.topic, 0, version.offset, record.key, record.value, record.headers), event)
                self._awaited.published(who.tenant, who.asset_id, version)
            elif event is not None:
                self._sent_again = True
                self._awaited.sent_again(event.data)

    def run(
        self,
        stop: threading.Event,
        on_progress: OnProgress,
        *,
        interval_s: float = 0.2,
        more: Callable[[], bool] = lambda: False,
    ) -> bool:
        finished = False
        while not (finished or stop.is_set()):
            if self._awaited.settled:
                self._follow(LAST_WORDS_S if self._sent_again else 0.0)
                finished = not more()
            else:
                self._follow(interval_s)
                on_progress(self.progress, self._idle_stages())
        on_progress(self.progress, {})
        return finished

    def _follow(self, timeout_s: float) -> None:
        for record in self._tail.poll(10_000, timeout_s):
            payload = self._payload(record)
            if payload is not None and self._awaited.received(payload):
                self.progress.apply([payload])
                if isinstance(payload, AssetChanged) and payload.status is AssetStatus.READY:
                    ref = payload.asset
                    since_ms = record.append_time_ms - ref.version.append_ms
                    # The first time counts: a later caption or replay must not make it look slower.
                    self.searchable_s.setdefault((ref.tenant, ref.asset_id), since_ms / 1000)

    def _payload(self, record: Record) -> Payload | None:
        """What others wrote there and is no event is not ours to judge."""
        try:
            return self._decoder.decode(record).data
        except BadEvent:
            return None

    def _idle_stages(self) -> Mapping[str, str]:
        """Stages that nobody works on: whoever waits in vain should know."""
        now_s = self._clock.monotonic_s()
        # Asking for members costs a request to each coordinator, so it is done seldom.
        if now_s >= self._ask_s:
            self._ask_s = now_s + ASK_MEMBERS_EVERY_S
            self._waiting = idle_stages(self._broker, self._stages)
        return self._waiting


def idle_stages(broker: KafkaBroker, stages: Sequence[str]) -> Mapping[str, str]:
    try:
        members = broker.members(stages)
    except StageError as error:
        return dict.fromkeys(stages, error.message)
    return {stage: f"no worker: `rushes run {stage}`" for stage, count in members.items() if not count}


def _decoded(record: RawRecord) -> Event | None:
    topic = TOPICS.get(record.topic)
    if topic is None:
        return None
    try:
        # Place 0 is as good as any: only the payload counts here.
        return EventDecoder([topic]).decode(Record(record.topic, 0, 0, record.key, record.value, record.headers))
    except BadEvent:
        return None
