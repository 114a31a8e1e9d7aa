"""How clients reach a cluster: its address, limits, and a properties file for security. Values are never printed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import confluent_kafka
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from stream.broker.contract import Record
from stream.broker.kafka.contact import Client, Refusals, first_contact
from stream.broker.kafka.listener import protocol_of
from stream.broker.names import Names
from stream.clock import Clock
from stream.errors import Fatal, StageError, Unavailable
from stream.files import read_small

T = TypeVar("T")
MAX_RECORD_BYTES = 16 * 1024 * 1024
CALL_TIMEOUT_S = 10.0
PATIENCE_S = 30.0
SETTLING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.PREFERRED_LEADER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        # The node has not yet applied what the controller decided: the client already knows the newer leader.
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.NOT_CONTROLLER,
        KafkaError.LISTENER_NOT_FOUND,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)
"""Errors of a cluster that pass in a moment: a topic was just created, or a leader has just moved. They are those that
Kafka's protocol guide calls retriable, without those of producers and of nodes that do not answer.
"""
# An own value of these would break acknowledgement: an automatic commit loses records that are still in work.
_OURS = ("bootstrap.servers", "group.id", "enable.auto.commit", "auto.offset.reset", "partition.assignment.strategy")


def client_versions() -> str:
    """The names and versions of the Kafka client libraries."""
    return f"confluent-kafka {confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}"


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """`servers` is a comma-separated list of host:port. `properties` are librdkafka's, for security settings.

    `session_timeout_s` is how long a member may be silent before its partitions move. `refusals` are those of every
    client made with these settings. `names` translates names to those of the deployment on the cluster. Callers and
    records never see the latter.
    """

    servers: str
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    replication_factor: int = -1  # the cluster's default
    session_timeout_s: float = 10.0
    max_poll_interval_s: float = 300.0
    commit_interval_s: float = 1.0
    flush_timeout_s: float = 30.0
    names: Names = field(default_factory=Names)
    refusals: Refusals = field(default_factory=Refusals, repr=False, compare=False)

    @classmethod
    def from_uri(cls, uri: str, properties_file: Path | None = None, names: Names | None = None) -> "KafkaSettings":
        """From `kafka://host:port[,host:port…]` and a file of `key=value` lines (`#` begins a comment).

        Raises `Fatal` with the reason; the message holds no value of the file.
        """
        try:
            parts = urlsplit(uri)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme != "kafka" or not parts.netloc or "@" in parts.netloc or parts.path.strip("/"):
            raise Fatal(
                "a broker is named kafka://host:port[,host:port]; secrets go into a client properties file",
                code="invalid_broker",
            )
        properties = read_properties(properties_file) if properties_file else {}
        return cls(servers=parts.netloc, properties=properties, names=names or Names())

    def common(self) -> dict[str, Any]:
        return {
            # `error_cb` reports what goes wrong; librdkafka would log 20 lines a second while a broker is unavailable.
            "log_level": 2,
            "client.id": "rushes",
            **self.properties,
            "bootstrap.servers": self.servers,
            "topic.metadata.refresh.interval.ms": 5_000,  # partitions may be added while a client runs
            "reconnect.backoff.max.ms": 2_000,
            "log.connection.close": False,  # idle connections close all the time; whoever waits for a broker reports it
            "error_cb": self.refusals.on_error,
        }

    def place(self, topic: str, partition: int, offset: int = OFFSET_INVALID) -> TopicPartition:
        """The partition as the client takes it."""
        return TopicPartition(self.names.of(topic), partition, offset)

    def key(self, place: TopicPartition | Message) -> tuple[str, int]:
        """Topic and partition of a client's object, under the names that the rest of the program uses."""
        if isinstance(place, Message):
            return self.names.own(place.topic() or ""), place.partition() or 0
        return self.names.own(place.topic), place.partition

    def await_contact(self, client: Client, clock: Clock) -> None:
        """Wait for the cluster's first answer. Raises `Unavailable` if none comes, `Fatal` if the cluster refuses."""
        protocol = protocol_of(self.properties)
        error = first_contact(client, self.servers, protocol, self.refusals, clock, patience_s=CALL_TIMEOUT_S)
        if error is not None:
            raise as_stage_error(error, f"no answer from {self.servers} in {CALL_TIMEOUT_S:g} s")


def read_properties(path: Path) -> dict[str, str]:
    """librdkafka properties by name. Raises `Fatal` for a file that cannot be used; the message holds no value."""
    try:
        lines = read_small(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Fatal(f"cannot read the client properties {path}: {why}", code="invalid_broker") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or key.strip() in _OURS:
            raise Fatal(f"{path} line {number}: {'not key=value' if not equals else 'set by rushes itself'}",
                        code="invalid_broker")  # fmt: skip
        found[key.strip()] = value.strip()
    return found


def as_bytes(content: str | bytes | None) -> bytes:
    """Keys, values and header values as bytes; the client returns text, bytes, or None for an empty one."""
    return content.encode() if isinstance(content, str) else content or b""


def make_client(kind: Callable[[dict[str, Any]], T], settings: KafkaSettings, **options: object) -> T:
    """A client of this kind. Raises `Fatal` for properties that librdkafka refuses, such as a missing file."""
    try:
        return kind(settings.common() | options)
    except KafkaException as failure:
        # librdkafka repeats a bad value in its message, and a value may be a password or a key.
        text = str(failure.args[0].str())
        for name, value in settings.properties.items():
            if value and ("password" in name or "secret" in name or name.endswith(".pem")):
                text = text.replace(value, "(secret)")
        raise Fatal(f"the client properties cannot be used: {text}", code="invalid_broker") from None


def admin(settings: KafkaSettings) -> AdminClient:
    return make_client(AdminClient, settings)


def standalone_consumer(settings: KafkaSettings, group: str, **options: object) -> Consumer:
    """A client that never joins the group whose name it needs, and commits only on request."""
    fixed = {
        "group.id": settings.names.of(group),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",  # skips records that retention deleted
    }
    return make_client(Consumer, settings, **(fixed | options))


def record_of(message: Message, settings: KafkaSettings, *, epoch: int = 0, deaths: int | None = None) -> Record:
    """The record of a message that is no error. Call it once per message. `epoch` is 0 outside any group."""
    headers = _headers(message)
    topic, partition = settings.key(message)
    return Record(
        topic=topic,
        partition=partition,
        offset=message.offset() or 0,
        key=as_bytes(message.key()),
        value=as_bytes(message.value()),
        headers=headers or {},
        append_time_ms=message.timestamp()[1],
        epoch=epoch,
        deaths=deaths,
        unreadable=headers is None,
    )


def _headers(message: Message) -> dict[str, bytes] | None:
    """None where a header name is no UTF-8, which Kafka allows: the client then fails for all headers."""
    try:
        return {name: as_bytes(value) for name, value in _ask_headers(message) or ()}
    except (SystemError, UnicodeDecodeError) as failure:
        if isinstance(failure.__cause__ or failure, UnicodeDecodeError):
            return None
        raise


_ask_headers = methodcaller("headers")
"""Calls `message.headers()` from C, and only once. For a header name that is no UTF-8, confluent-kafka 2.16 returns
pairs with a hole beside its exception. Only a call from C is checked for that: once CPython 3.11 has specialised
`message.headers()`, touching the hole crashes the process. So does a second call."""


def as_stage_error(error: KafkaError, doing: str) -> StageError:
    """`Fatal` where waiting cannot help, else `Unavailable`."""
    text = f"{doing}: {error.str()}"
    if error.code() in _NO_RIGHT:
        text += "; the user of --client-properties lacks that right (docs/security/hardening.md says who needs which)"
    if error.fatal() or error.code() in _HOPELESS:
        return Fatal(text, code="broker_refused")
    return Unavailable(text, code="broker_unavailable")


_NO_RIGHT = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_HOPELESS = _NO_RIGHT | frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's names for its own codes
        KafkaError._SSL,  # noqa: SLF001
        KafkaError._INVALID_ARG,  # noqa: SLF001
        KafkaError._FATAL,  # noqa: SLF001 - the answer to every call of a client that has failed for good
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
    }
)
