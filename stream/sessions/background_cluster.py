"""Background work for the workers of a cluster."""

from collections.abc import Sequence

from sinks.dead_letters import DeadLetters
from stream.broker.kafka.broker import KafkaBroker
from stream.pipelines.source_policies import KnownTenants
from stream.search.freshness import EventsBefore
from stream.sessions.background import Done, NewFootage, replay_of_letters
from stream.sessions.events_before import EventsBeforeIndex
from stream.sessions.sending import appended
from stream.sessions.session import RawRecord
from stream.topology.codec import encode
from stream.topology.tenants import tenant_topic
from stream.topology.topics import ASSETS


class BackgroundCluster:
    """`BackgroundWork` for the workers of a cluster: what was sent is durable there when a call returns. `close` it."""

    def __init__(
        self, broker: KafkaBroker, store: DeadLetters, tenants: KnownTenants, before: EventsBeforeIndex
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._before = before
        self._producer = broker.producer(places=True)

    def publish(self, publication: NewFootage, done: Done) -> None:
        """Through the tenant's own topic, if it has one: the gate judges it as any producer's."""
        registered = self._tenants.now.get(publication.tenant)
        topic = ASSETS if registered is None else tenant_topic(registered)
        record = encode(publication.event(), topic)
        appended(self._producer, [RawRecord(topic.name, record.key, record.value, record.headers)])
        done(None)

    def replay(self, letter_ids: Sequence[str]) -> None:
        replay = replay_of_letters(self._store, letter_ids)
        for part in replay.parts():
            replay.begin(part)
            appended(self._producer, part.records())
            replay.finish(part)

    def replaying(self) -> frozenset[str]:
        """None: with the broker they are out of this process's hands."""
        return frozenset()

    def trouble(self) -> str | None:
        """None: `rushes lag` knows what the workers do."""
        return None

    def before_index(self) -> EventsBefore:
        return self._before.look()

    def close(self) -> None:
        self._before.close()
        self._producer.close()
