"""The session of a command: the stages of this process, or workers on a Kafka cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.broker.names import DEFAULT, Names
from stream.clock import Clock
from stream.pipelines.settings import Settings
from stream.runtime.temporary_folders import own_scratch
from stream.sessions.session import Session

if TYPE_CHECKING:
    from stream.broker.kafka.broker import KafkaBroker
    from stream.broker.kafka.client import KafkaSettings

BrokerUri = Annotated[
    str | None, typer.Option("--broker", help="kafka://host:port[,host:port…]: leave the work to workers there.")
]
ClientProperties = Annotated[
    Path | None,
    typer.Option("--client-properties", help="librdkafka properties, key=value a line: security settings and secrets."),
]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A deployment's part of a Kafka cluster, as named on the command line."""

    uri: str
    properties: Path | None = None
    deployment: str = DEFAULT

    @classmethod
    def named(cls, uri: str | None, properties: Path | None, deployment: str) -> "Cluster | None":
        return None if uri is None else cls(uri, properties, deployment)

    def settings(self) -> "KafkaSettings":
        """The Kafka settings. Raises `Fatal` for an invalid address or properties file."""
        # librdkafka is imported only by commands that talk to a cluster.
        from stream.broker.kafka.client import KafkaSettings

        return KafkaSettings.from_uri(self.uri, self.properties, Names(self.deployment))

    @contextmanager
    def connected(self, clock: Clock) -> Iterator["KafkaBroker"]:
        """A connected broker for the block. Raises what `settings` raises."""
        from stream.broker.kafka.broker import KafkaBroker

        broker = KafkaBroker(self.settings(), clock)
        try:
            yield broker
        finally:
            broker.close()


@contextmanager
def opened(settings: Settings, clock: Clock, cluster: Cluster | None) -> Iterator[Session]:
    """The session of a command for the block."""
    if cluster is None:
        from stream.sessions.embedded import Embedded

        # The folder outside: the stages write into it until they have ended.
        with own_scratch(), Embedded(settings, clock) as embedded:
            yield embedded
        return
    from stream.pipelines.understanding import Understanding
    from stream.sessions.cluster import ClusterSession

    # Models do not matter here: the workers bring their own.
    topology = Understanding(settings, clock, epoch_ms=0).topology()
    with (
        cluster.connected(clock) as broker,
        ClusterSession(broker, topology, clock, address=cluster.uri) as followed,
    ):
        yield followed
