"""Queries to a cluster through an admin client that is replaced after an outage."""

import threading
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, OffsetSpec, ResourceType

from stream.broker.kafka.client import CALL_TIMEOUT_S, PATIENCE_S, SETTLING, KafkaSettings, admin, as_stage_error
from stream.broker.kafka.described import TopicDescription, described
from stream.clock import Clock
from stream.errors import Fatal, Unavailable

T = TypeVar("T")
FIRST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
END: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class AdminQueries:
    """Thread-safe. Raises `Unavailable` while the cluster cannot be reached, `Fatal` where it refuses.

    A client from before an outage answers most queries after it, but never again the one about the members of a group
    (confluent-kafka 2.16.1). So a client that does not answer is replaced.
    """

    def __init__(self, settings: KafkaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._client: AdminClient | None = None
        self._met = False
        self.topic_ids: dict[str, str] = {}
        """The latest known ids, by the name on the cluster."""

    def client(self) -> AdminClient:
        """The caller must hold it while its futures run: they end with the client."""
        with self._lock:
            if self._client is None:
                self._client = admin(self._settings)
            return self._client

    def close(self) -> None:
        """Idempotent. An admin client has no close: it ends when no reference is left."""
        with self._lock:
            self._client = None

    def nodes(self) -> ClusterMetadata:
        """The cluster's metadata, with its topics and at least one node."""

        def ask(client: AdminClient) -> ClusterMetadata:
            found = client.list_topics(timeout=CALL_TIMEOUT_S)
            # A node that has just started answers a moment before it counts itself among those that work.
            if not found.brokers:
                raise KafkaException(KafkaError(KafkaError.BROKER_NOT_AVAILABLE))
            return found

        passing = SETTLING | {KafkaError.BROKER_NOT_AVAILABLE}
        return self.with_retries("asking for nodes and topics", ask, passing=passing)

    def described(self, topics: Iterable[str]) -> dict[str, TopicDescription]:
        """By the name on the cluster, which `topics` are too. Raises `Fatal` where one does not exist."""
        names = set(topics)
        found = self.with_retries("asking for topics", lambda client: described(client, names))
        if missing := sorted(names - found.keys()):
            raise Fatal(
                f"topic {missing[0]!r} does not exist: `rushes kafka topics` and `rushes run` make it",
                code="unknown_topic",
            )
        self.topic_ids |= {name: there.topic_id for name, there in found.items()}
        return found

    def offsets(
        self,
        partitions: Sequence[TopicPartition],
        spec: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[TopicPartition, int]:
        """Offsets by partition. With the default isolation, the end is that of what a stage can read: records of an
        open transaction lie behind it.
        """

        def ask(client: AdminClient) -> dict[TopicPartition, int]:
            futures = client.list_offsets(dict.fromkeys(partitions, spec), isolation_level=isolation)
            return {each: future.result(CALL_TIMEOUT_S).offset for each, future in futures.items()}

        return self.with_retries("asking for the ends of partitions", ask)

    def config_of(self, kind: ResourceType, name: str) -> dict[str, str]:
        resource = ConfigResource(kind, name)

        def ask(client: AdminClient) -> Any:
            (future,) = client.describe_configs([resource]).values()
            return future.result(CALL_TIMEOUT_S)

        return {name: entry.value for name, entry in self.with_retries("reading settings", ask).items()}

    def with_retries(self, doing: str, ask: Callable[[AdminClient], T], *, passing: AbstractSet[int] = SETTLING) -> T:
        """`ask` until it succeeds while the cluster is only settling (a topic just created, a leader just moved).
        Raises `Unavailable` after `PATIENCE_S`, and `Fatal` where the cluster refuses.
        """
        if not self._met:
            self._settings.await_contact(self.client(), self._clock)
            self._met = True
        deadline_s = self._clock.monotonic_s() + PATIENCE_S
        while True:
            client = self.client()
            try:
                return ask(client)
            except TimeoutError:  # a cluster that has just started creates its internal topics first
                self._give_up(client)
                if self._clock.monotonic_s() > deadline_s:
                    raise Unavailable(f"{doing}: no answer in {PATIENCE_S:g} s", code="broker_unavailable") from None
            except KafkaException as failure:
                error = failure.args[0]
                # A refusal reaches `error_cb` only inside a poll.
                client.poll(0)
                self._settings.refusals.check()
                if error.code() not in passing or self._clock.monotonic_s() > deadline_s:
                    raise as_stage_error(error, doing) from None
            self._clock.sleep(0.05)

    def _give_up(self, client: AdminClient) -> None:
        """The next query uses another client, unless another thread has replaced this one already."""
        with self._lock:
            if self._client is client:
                self._client = None
