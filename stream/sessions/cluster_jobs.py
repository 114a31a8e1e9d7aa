"""Jobs of a service for the workers of a cluster."""

from collections.abc import Sequence

from sinks.dead_letters import DeadLetters
from stream.broker.kafka.broker import KafkaBroker
from stream.sessions.jobs import replay_of_letters
from stream.sessions.sending import appended


class ClusterJobs:
    """`Jobs` for the workers of a cluster: what was sent is durable there when a call returns. `close` it."""

    def __init__(self, broker: KafkaBroker, store: DeadLetters) -> None:
        self._store = store
        self._producer = broker.producer(places=True)

    def replay(self, letter_ids: Sequence[str]) -> None:
        replay = replay_of_letters(self._store, letter_ids)
        for part in replay.parts():
            replay.begin(part)
            appended(self._producer, part.records())
            replay.finish(part)

    def replaying(self) -> frozenset[str]:
        """None: with the broker they are out of this process's hands."""
        return frozenset()

    def close(self) -> None:
        self._producer.close()
