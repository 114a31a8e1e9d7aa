"""Publications on a cluster that the index has not been told of: read from the topics before it, in no group."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from stream.broker.contract import Record
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.watch import KafkaWatch
from stream.broker.observation import GroupOffset, Key
from stream.clock import Clock
from stream.errors import BadEvent, StageError
from stream.events.annotations import Annotations
from stream.events.asset import AssetPlanned, AssetPublished
from stream.events.base import Event
from stream.pipelines.source_policies import KnownTenants
from stream.pipelines.stages import GATE, INDEX, PLAN
from stream.search.freshness import EventsBefore, WaitingEvent
from stream.topology.codec import EventDecoder
from stream.topology.ownership import owner_of
from stream.topology.tenants import tenant_topic
from stream.topology.topics import ANNOTATIONS, ASSETS, Topic

MOST_RECORDS = 10_000
MOST_S = 5.0
_TURN_S = 2.0
# A record of moments need not be decoded to know that it publishes nothing.
_MOMENTS = Annotations.type.encode()


class EventsBeforeIndex:
    """Thread-safe; one look at a time. `close` it."""

    def __init__(self, settings: KafkaSettings, tenants: KnownTenants, clock: Clock) -> None:
        self._settings = settings
        self._tenants = tenants
        self._clock = clock
        self._turn = threading.Lock()
        self._watch: KafkaWatch | None = None
        self._topics: Mapping[str, Topic] = {}

    def look(self) -> EventsBefore:
        """A cluster that does not answer is told as unknown."""
        at_ms = self._clock.now_ms()
        # While a cluster is away a look takes long, and all that wait would leave no thread for searches.
        if not self._turn.acquire(timeout=_TURN_S):
            return EventsBefore(at_ms, unknown="the cluster has not answered yet")
        try:
            return self._looked(at_ms)
        except StageError as error:
            return EventsBefore(at_ms, unknown=f"the topics before the index cannot be read ({error.code})")
        finally:
            self._turn.release()

    def close(self) -> None:
        with self._turn:
            if self._watch is not None:
                self._watch.close()

    def _looked(self, at_ms: int) -> EventsBefore:
        watch = self._watching()
        # The commits of the first stage are read first: what moves on meanwhile lies before a later one.
        left = {(place.topic, place.partition): place for place in watch.observe([]).places if place.offset_lag}
        count = sum(place.offset_lag for place in left.values())
        if count > MOST_RECORDS:
            return EventsBefore(at_ms, unknown=f"{count} records wait before the index, and so many are not read")
        waiting: list[WaitingEvent] = []
        decoder = EventDecoder(self._topics.values())
        deadline_s = self._clock.monotonic_s() + MOST_S
        for records in self._records(watch, left):
            waiting += _waiting(records, left, decoder)
            if self._clock.monotonic_s() > deadline_s:
                watch.restart()
                return EventsBefore(at_ms, unknown=f"{count} records wait before the index: too much to read in time")
        return EventsBefore(at_ms, tuple(waiting))

    def _watching(self) -> KafkaWatch:
        topics = {topic.name: topic for topic in map(tenant_topic, self._tenants.now.values())}
        known = {**topics, ASSETS.name: ASSETS, ANNOTATIONS.name: ANNOTATIONS}
        if self._watch is None or known.keys() != self._topics.keys():
            if self._watch is not None:
                self._watch.close()
            gate = {GATE: sorted(topics)} if topics else {}
            groups = {**gate, PLAN: [ASSETS.name], INDEX: [ANNOTATIONS.name]}
            self._watch = KafkaWatch(self._settings, self._clock, groups)
        self._topics = known
        return self._watch

    @staticmethod
    def _records(watch: KafkaWatch, left: Mapping[Key, GroupOffset]) -> Iterator[Sequence[Record]]:
        if not left:
            return iter(())
        return watch.between(
            {key: place.acked for key, place in left.items()}, {key: place.end for key, place in left.items()}
        )


def _waiting(
    records: Sequence[Record], left: Mapping[Key, GroupOffset], decoder: EventDecoder
) -> Iterator[WaitingEvent]:
    for record in records:
        place = left[record.topic, record.partition]
        if record.offset >= place.end or place.has_acked(record.offset) or record.headers.get("ce_type") == _MOMENTS:
            continue
        try:
            event = decoder.decode(record)
        # It becomes a dead letter, and never an asset that could be searched.
        except BadEvent:
            continue
        if (times := _times_ms(event)) is not None:
            published_ms, version_ms = times
            yield WaitingEvent(event.tenant, event.project, event.subject, published_ms, place.stage, version_ms)


def _times_ms(event: Event) -> tuple[int, int | None] | None:
    """When it was published, by a broker's clock, and the time of its version, which it has from `assets` on; None for
    what publishes nothing.
    """
    if isinstance(event.data, AssetPlanned):
        version_ms = event.data.asset.version.append_ms
        return event.data.published_ms or version_ms, version_ms
    if not isinstance(event.data, AssetPublished):
        return None
    before_gate = event.position is not None and owner_of(event.position.topic) is not None
    return event.published_ms, None if before_gate else event.version.append_ms
