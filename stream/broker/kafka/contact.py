"""Whether a cluster accepts our clients. Remembers what its brokers refused, and compares the protocols of both sides.

librdkafka treats a wrong password, an untrusted certificate and a wrong protocol as passing trouble, and tries for ever
(ADR 0025).
"""

from collections.abc import Callable
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException

from stream.broker.kafka import listener
from stream.clock import Clock
from stream.errors import Fatal

FIRST_WAIT_S = 0.1
COMPARE_WAIT_S = 0.4
"""A listener that answers sooner needs no comparison."""
_ASK_TIMEOUT_S = 2.0
_WENT_AWAY = "Local: Broker transport failure"
_ADVICE = {
    KafkaError._AUTHENTICATION: (  # noqa: SLF001 - librdkafka's names for its own codes
        "unauthenticated",
        "check sasl.username, sasl.password and sasl.mechanisms in the client properties",
    ),
    KafkaError._SSL: (  # noqa: SLF001
        "tls_failed",
        "check ssl.ca.location in the client properties: it names the certificate that the broker's is signed with",
    ),
}


class Refusals:
    """Refusals by brokers, in any client of one `KafkaSettings`. Thread-safe."""

    __slots__ = ("_first",)

    def __init__(self) -> None:
        self._first: KafkaError | None = None

    def on_error(self, error: KafkaError) -> None:
        """librdkafka's `error_cb`, called while a client polls. An error because the broker went away in the middle of
        a handshake is no refusal.
        """
        if error.code() in _ADVICE and _WENT_AWAY not in error.str():
            self._first = self._first or error

    def check(self) -> None:
        """Raises `Fatal` once a broker has refused: another attempt cannot help."""
        if self._first is not None:
            code, advice = _ADVICE[self._first.code()]
            raise Fatal(f"the broker and this client refuse each other: {self._first.str()}; {advice}", code=code)


class Reachability:
    """Whether a member of a group reaches its cluster. librdkafka reports when its last connection closes, but idle
    connections close too. So the group's coordinator is asked until it answers; only then it is clear.
    """

    __slots__ = ("_away", "_doubted", "_joining")

    def __init__(self) -> None:
        self._doubted = self._away = False
        self._joining: str | None = "unavailable: joining its group"

    def on_error(self, error: KafkaError) -> None:
        """`error_cb` of the member's client."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's name for its own code
            self._doubted = True

    def lost(self) -> None:
        """The group went on without this member."""
        self._joining = "unavailable: joining its group again"

    def assigned(self) -> None:
        """The member has its place in the group, with or without partitions."""
        self._joining = None

    def verify(self, ask: Callable[[], object]) -> None:
        """In doubt, `ask` the coordinator. It raises `KafkaException` when there is no answer."""
        if not self._doubted:
            return
        try:
            ask()
        except KafkaException:
            self._away = True
        else:
            self._doubted = self._away = False

    @property
    def trouble(self) -> str | None:
        """The reason why no records can come; None if there is none. From any thread."""
        if self._away:
            return "unavailable: the broker does not answer"
        return self._joining


class Client(Protocol):
    """An admin client, or a consumer without partitions."""

    def list_topics(self, *, timeout: float) -> Any: ...
    def poll(self, timeout: float) -> Any: ...


def first_contact(
    client: Client, servers: str, protocol: str, refusals: Refusals, clock: Clock, *, patience_s: float
) -> KafkaError | None:
    """Wait for the cluster's first answer. Returns None when it came, else the error after `patience_s`.

    Raises `Fatal` as soon as it is clear that the two sides cannot agree.
    """
    deadline_s = clock.monotonic_s() + patience_s
    wait_s, compared = FIRST_WAIT_S, False
    while True:
        try:
            client.list_topics(timeout=wait_s)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
        else:
            return None
        # Refusals come through `error_cb`, which runs only inside a poll.
        client.poll(0)
        refusals.check()
        # Only a late answer makes the extra connections: some brokers log those that end without a login (ADR 0025).
        if wait_s >= COMPARE_WAIT_S and not compared:
            compared = True
            _compare(servers, protocol)
        if clock.monotonic_s() >= deadline_s:
            return error
        wait_s *= 2


def _compare(servers: str, protocol: str) -> None:
    found = listener.ask(servers.split(","), _ASK_TIMEOUT_S)
    if found is None:
        return
    server, there = found
    if there.protocol != protocol:
        raise Fatal(
            f"{server} speaks {there}, this client {protocol}: set security.protocol={there.protocol} and what belongs"
            " to it in a file for --client-properties",
            code="protocol_mismatch",
        )
