"""A worker that its record `poison` kills, and to which the named assets come too early. Each record is a journal line.

Arguments: servers, source, target, group, journal, assets that are stuck.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry

from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.clock import SystemClock
from stream.errors import Retryable, StageError
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.observability.metrics import Metrics
from stream.topology.stage import BatchPolicy, RetryPolicy, Stage
from stream.topology.topics import DEAD_LETTERS, Topic
from stream.worker.pace import Pace
from stream.worker.worker import Worker


class Deadly:
    def __init__(self, journal: str, stuck: Sequence[str]) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._stuck = stuck

    def open(self) -> None: ...
    def close(self) -> None: ...

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        return []

    def process(self, events: Sequence[Event]) -> Iterator[Event]:
        for event in events:
            assert isinstance(event.data, AssetDeleted)
            if event.data.asset_id == "poison":
                os.kill(os.getpid(), signal.SIGKILL)
            if event.data.asset_id in self._stuck:
                raise Retryable("later", code="later")
            os.write(self._journal, f"{event.data.asset_id}\n".encode())
            yield event.derive(event.data, id=event.id)


def main() -> None:
    servers, source, target, group, journal, *stuck = sys.argv[1:]
    topics = {name: Topic(name, (AssetDeleted,)) for name in (source, target)} | {DEAD_LETTERS.name: DEAD_LETTERS}
    stage = Stage(
        group,
        (source,),
        (target,),
        lambda: Deadly(journal, stuck),
        batch=BatchPolicy(max_records=8),
        retry=RetryPolicy(max_attempts=1_000_000, max_delay_s=0.5),
    )
    worker = Worker(
        stage,
        KafkaBroker(KafkaSettings(servers, session_timeout_s=2.0), SystemClock()),
        clock=SystemClock(),
        metrics=Metrics(CollectorRegistry()),
        topics=topics,
        pace=Pace(poll_timeout_s=0.1),
    )
    worker.run(threading.Event())


if __name__ == "__main__":
    main()
