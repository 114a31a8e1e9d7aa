"""The control plane's Faust app. It folds `progress` into a changelogged table and sends completions. No web server.

Faust delivers at least once, and its commits do not depend on its changelog. So this app acknowledges an event only
once its writes are durable in the changelog. Entries are joins, so a redelivered event changes nothing (ADR 0023).
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaError

from stream.broker.contract import Record
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.tls import tls_context
from stream.broker.names import Names
from stream.control.state import APP, TABLE, completion, entries
from stream.errors import BadEvent, Fatal, StageError, Unavailable
from stream.events.base import Event
from stream.observability.status import Status
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import COMPLETIONS, PROGRESS

_log = logging.getLogger(__name__)

COMPACTION_LAG_MS = 86_400_000
MAX_UNSETTLED = 1000
# Forgetting them costs second writes only.
MAX_SENT_KEYS = 200_000
CHECK_S = 0.2
_STORE_OPTIONS = {"write_buffer_size": 8 << 20, "block_cache_size": 32 << 20, "max_write_buffer_number": 2}
"""A worker has one store per partition; with Faust's own defaults each could grow to gigabytes."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """Where the app runs. `partitions` is that of the `progress` topic, which the table shares. The local copy of the
    table under `directory` may be deleted at any time.
    """

    kafka: KafkaSettings
    directory: Path
    partitions: int
    commit_interval_s: float = 1.0


def serve(hosting: Hosting, stop: threading.Event, status: Status, check: Callable[[], None] = lambda: None) -> None:
    """Run until `stop`, or until `check`, called every `CHECK_S`, raises. Keeps `status` up to date. Raises
    `Unavailable` when the app ended by itself: start it again.
    """
    asyncio.run(_serve(hosting, stop, status, check))


async def _serve(hosting: Hosting, stop: threading.Event, status: Status, check: Callable[[], None]) -> None:
    hosting.directory.mkdir(parents=True, exist_ok=True)
    # Before the app starts: Faust takes agents and tables only until then.
    app = build(hosting)
    control = Control(app, hosting, status)
    try:
        await _started(app)
        while not stop.is_set() and control.failure is None and not app.crashed:
            # Not ready in recovery: the table is not complete yet.
            status.ready(not app.rebalancing and not app.in_recovery)
            check()
            await asyncio.sleep(CHECK_S)
    finally:
        # First: a probe must not find a process ready that is closing.
        status.ready(False)
        await app.stop()
    reason = control.failure or (app.crash_reason if app.crashed else None)
    if isinstance(reason, StageError):
        raise reason
    if reason is not None:
        raise Unavailable(f"the control plane stopped ({type(reason).__name__}); start it again", code="control_ended")


async def _started(app: faust.App) -> None:
    """Raises `Unavailable` where the cluster does not answer in time, or not as Faust's client expects."""
    try:
        await app.start()
    except (KafkaError, TimeoutError, OSError) as error:
        raise Unavailable(
            f"the control plane did not come up ({type(error).__name__}); start it again", code="control_ended"
        ) from error
    _log.info("control plane: follows %s", PROGRESS.name)


def build(hosting: Hosting) -> faust.App:
    """An app without agents. Faust creates the table's topic, compacted and partitioned like its source."""
    kafka = hosting.kafka
    # The session time-out of all other clients, so that every dead process is noticed equally soon.
    silence_s = int(kafka.properties.get("session.timeout.ms", kafka.session_timeout_s * 1000)) / 1000
    return faust.App(
        kafka.names.of(APP),
        broker=[f"kafka://{server}" for server in kafka.servers.split(",")],
        broker_credentials=credentials(kafka.properties),
        broker_commit_interval=hosting.commit_interval_s,
        broker_session_timeout=silence_s,
        # Three heartbeats may get lost within a session.
        broker_heartbeat_interval=silence_s / 4,
        store="rocksdb://?driver=rocksdict",
        datadir=str(hosting.directory),
        topic_partitions=hosting.partitions,
        topic_replication_factor=max(1, kafka.replication_factor),
        # The leader topic is for tasks of one worker alone. This app has none.
        topic_disable_leader=True,
        # Keys and values are ours. Faust's codecs would wrap them.
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
    )


class Control:
    """The app's one agent. `failure` is the reason why it cannot continue; nothing is acknowledged after it."""

    def __init__(self, app: faust.App, hosting: Hosting, status: Status) -> None:
        self.failure: BaseException | None = None
        self._status = status
        self._app = app
        self._names = hosting.kafka.names
        self._decoder = EventDecoder([PROGRESS])
        self._table: Any = app.Table(
            TABLE,
            partitions=hosting.partitions,
            key_type=bytes,
            value_type=bytes,
            options=dict(_STORE_OPTIONS),
            # A replaced value, such as the name of a deleted asset, must be gone after a day.
            extra_topic_configs={"max.compaction.lag.ms": COMPACTION_LAG_MS},
        )
        self._completions = _raw_topic(app, self._names.of(COMPLETIONS.name))
        self._sent: set[bytes] = set()
        self._unsettled = asyncio.Semaphore(MAX_UNSETTLED)
        app.agent(_raw_topic(app, self._names.of(PROGRESS.name)), name="follow")(self._follow)

    async def _follow(self, stream: Any) -> AsyncIterator[None]:
        # `noack`: Faust would acknowledge when the agent goes on, and that is before the changelog has the entries.
        async for event in stream.noack().events():
            # Bounds the writes in progress, and so what a restart does again.
            await self._unsettled.acquire()
            self._status.in_flight(1)
            try:
                writes = await self._take(event)
            except Exception as error:
                self._failed(error)
                raise
            # Not awaited here: the writes of many events are under way at the same time.
            asyncio.gather(*writes).add_done_callback(partial(self._settle, event))
            yield

    async def _take(self, event: Any) -> list[Any]:
        """Fold one event. Returns the writes to wait for."""
        try:
            decoded = self._decoder.decode(_record(event, self._names))
        except BadEvent as error:
            # Skipped with a warning and no dead letter: a bad report costs a number, and must not stop the others.
            _log.warning("control plane: skipped a record of %s (%s)", PROGRESS.name, error.code)
            return []
        if (completed := completion(decoded, self._table.get)) is not None:
            await self._send_completion(
                completed
            )  # before the status is stored: after a crash in between it is sent again, never lost
        return [
            self._write(event, key, value)
            for key, value in entries(decoded.data, self._table.get)
            # An entry that did not change costs no write, once this process has written it.
            if key not in self._sent or self._table.get(key) != value
        ]

    async def _send_completion(self, completed: Event) -> None:
        encoded = encode(completed)
        headers = dict(encoded.headers)
        delivery = await self._completions.send(key=encoded.key, value=encoded.value, headers=headers)
        await delivery

    def _write(self, event: Any, key: bytes, value: bytes) -> Any:
        """Write to the changelog and the local store. If a process was killed in between, only the local store has the
        entry, which then looks unchanged. So every process writes each entry that it meets once.
        """
        if len(self._sent) >= MAX_SENT_KEYS:
            self._sent.clear()
        self._sent.add(key)
        durable = self._table.send_changelog(event.message.partition, key, value)
        self._table.data[key] = value
        return durable

    def _settle(self, event: Any, done: "asyncio.Future[list[Any]]") -> None:
        # Released in any case, or a failure would block the agent before it is seen.
        self._unsettled.release()
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is not None:
            self._failed(error)
        elif self.failure is None:
            event.ack()
            self._status.settled("done", 1)

    def _failed(self, error: BaseException) -> None:
        # The first failure is the cause. Later ones follow from it.
        self.failure = self.failure or error


def credentials(properties: Mapping[str, str]) -> Any:
    """librdkafka properties in Faust's form; None for plaintext. Raises `Fatal` for settings that Faust cannot use."""
    protocol = properties.get("security.protocol", "plaintext").lower()
    tls = tls_context(properties) if protocol in {"ssl", "sasl_ssl"} else None
    if protocol == "plaintext":
        return None
    if protocol == "ssl":
        return faust.SSLCredentials(tls)
    mechanism = properties.get("sasl.mechanisms") or properties.get("sasl.mechanism") or "PLAIN"
    if protocol not in {"sasl_plaintext", "sasl_ssl"} or mechanism not in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}:
        raise Fatal(f"the control plane does not support {protocol} with {mechanism}", code="invalid_broker")
    return faust.SASLCredentials(
        username=properties.get("sasl.username"),
        password=properties.get("sasl.password"),
        mechanism=mechanism,
        ssl_context=tls,
    )


def _raw_topic(app: faust.App, name: str) -> Any:
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def _record(event: Any, names: Names) -> Record:
    message = event.message
    return Record(
        topic=names.own(message.topic),
        partition=message.partition,
        offset=message.offset,
        key=message.key or b"",
        value=message.value or b"",
        # Kafka headers may be null.
        headers={name: value or b"" for name, value in dict(message.headers or {}).items()},
        append_time_ms=round(message.timestamp * 1000),
    )
