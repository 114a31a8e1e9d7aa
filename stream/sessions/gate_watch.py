"""What tenants have published on topics of their own and no gate has passed on, seen from outside of its group."""

from collections.abc import Iterator, Mapping

from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.watch import KafkaWatch
from stream.broker.observation import GroupOffset, Key
from stream.clock import Clock
from stream.errors import StageError
from stream.freshness.observer import WaitingForGate
from stream.pipelines.stages import GATE
from stream.sessions.tenant_register import TenantRegister
from stream.topology.tenants import Tenants, tenant_topic
from stream.topology.topics import TENANTS


class GateWatch:
    """Used from one thread. It makes no topic. `close` it."""

    def __init__(self, settings: KafkaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._broker: KafkaBroker | None = None
        self._register: TenantRegister | None = None
        self._known = Tenants()
        self._watch: KafkaWatch | None = None
        self._topics: frozenset[str] = frozenset()

    def look(self) -> WaitingForGate | None:
        """None where no tenant has a topic. Raises `Unavailable`; the next look begins with new clients."""
        try:
            topics = self._tenant_topics()
            return self._waiting(self._watching(topics)) if topics else None
        except StageError:
            self.close()
            raise

    def close(self) -> None:
        watch, register, broker = self._watch, self._register, self._broker
        self._watch = self._register = self._broker = None
        for each in (watch, register, broker):
            if each is not None:
                each.close()

    def _tenant_topics(self) -> frozenset[str]:
        """Those that exist: one may be deleted at any time."""
        if self._broker is None:
            self._broker = KafkaBroker(self._settings, self._clock)
        if self._register is None:
            if not self._broker.partition_counts([TENANTS.name]):
                return frozenset()
            self._known = Tenants()
            self._register = TenantRegister(self._broker, self._known)
        self._register.read()
        topics = [tenant_topic(each).name for each in self._known.now.values()]
        return frozenset(self._broker.partition_counts(topics))

    def _watching(self, topics: frozenset[str]) -> KafkaWatch:
        if self._watch is None or topics != self._topics:
            if self._watch is not None:
                self._watch.close()
            self._watch = KafkaWatch(self._settings, self._clock, {GATE: sorted(topics)})
            self._topics = topics
        return self._watch

    def _waiting(self, watch: KafkaWatch) -> WaitingForGate:
        view = watch.observe([])
        left = {(place.topic, place.partition): place for place in view.places if place.offset_lag}
        now_ms = self._clock.now_ms()
        oldest_ms = min(_oldest_ms(watch, left), default=now_ms)
        return WaitingForGate(
            stage=GATE,
            records={topic: _left_of(topic, left) for topic in sorted(self._topics)},
            oldest_s=max(0, now_ms - oldest_ms) / 1000,
            workers=view.members[GATE],
        )


def _oldest_ms(watch: KafkaWatch, left: Mapping[Key, GroupOffset]) -> Iterator[int]:
    """When the first record that waits was appended, for each partition."""
    if not left:
        return
    starts = {key: place.acked for key, place in left.items()}
    for records in watch.between(starts, {key: start + 1 for key, start in starts.items()}):
        yield from (record.append_time_ms for record in records)


def _left_of(topic: str, left: Mapping[Key, GroupOffset]) -> int:
    return sum(place.offset_lag for (name, _), place in left.items() if name == topic)
