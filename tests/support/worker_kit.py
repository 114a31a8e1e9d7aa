"""A stage under test: an operator that does as its script says, a memory broker, a manual clock."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from prometheus_client import CollectorRegistry

from stream.broker.contract import IN_HAND, Broker, Consumer, Delivery, Producer, Record, TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock
from stream.errors import StageError
from stream.events.asset import AssetDeleted, AssetFailed, AssetRef
from stream.events.base import Event
from stream.events.dead_letter import DeadLetter
from stream.events.ids import AssetVersion, digest
from stream.observability.metrics import Metrics
from stream.operators.plan import unreadable_asset
from stream.topology.codec import EventDecoder, encode
from stream.topology.stage import BatchPolicy, RetryPolicy, Stage
from stream.topology.topics import ANNOTATIONS, ASSETS, DEAD_LETTERS, TOPICS
from stream.worker.pace import Pace
from stream.worker.worker import Worker

Script = Callable[[Sequence[Event]], Iterable[Event]]
NO_WAIT = Pace(poll_timeout_s=0.0, unit_s=0.0)


def asset_id(event: Event) -> str:
    assert isinstance(event.data, AssetDeleted)
    return event.data.asset_id


def echo(events: Sequence[Event]) -> Iterable[Event]:
    """The same deletion again, for `annotations`."""
    return [event.derive(event.data, id=digest("echo", event.id)) for event in events]


@dataclass
class Scripted:
    """An operator whose `process` is `script`; remembers what it was asked."""

    script: Script = echo
    opening: Callable[[], None] = lambda: None
    calls: list[list[str]] = field(default_factory=list)
    life: list[str] = field(default_factory=list)

    def open(self) -> None:
        self.life.append("open")
        self.opening()

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        self.calls.append([asset_id(event) for event in events])
        return self.script(events)

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        ref = AssetRef(tenant=event.tenant, project=event.project, asset_id=asset_id(event), version=AssetVersion(1, 1))
        failure = AssetFailed(asset=ref, stage="echo", code=error.code, message=error.message)
        yield event.derive(failure, id=digest("failed", event.id))

    def unreadable(self, record: Record, error: StageError) -> Iterable[Event]:
        return unreadable_asset(record, error, stage="echo")

    def close(self) -> None:
        self.life.append("close")


class Refused:
    """A delivery that the broker refused."""

    size = 1

    def done(self) -> bool:
        return True

    def error(self) -> str | None:
        return "refused"


def refuse_once(producer: Producer, key: str) -> None:
    """The broker refuses the next record of this key, and takes it afterwards."""
    send, refused = producer.send, [key]

    def sent(topic: str, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> Delivery:
        if key.decode() in refused:
            refused.remove(key.decode())
            return Refused()
        return send(topic, key, value, headers)

    producer.send = sent  # type: ignore[method-assign]


class Given:
    """A broker that remembers what it gave the worker last, so that a test can disturb that and nothing else."""

    producer_: Producer
    consumer_: Consumer

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def producer(self) -> Producer:
        self.producer_ = self._broker.producer()
        return self.producer_

    def consumer(self, topics: Sequence[str], group: str, *, in_hand: int = IN_HAND) -> Consumer:
        self.consumer_ = self._broker.consumer(topics, group, in_hand=in_hand)
        return self.consumer_

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


class Kit:
    """One worker of the stage `echo`, from `assets` to `annotations`."""

    def __init__(
        self,
        script: Script = echo,
        *,
        batch: BatchPolicy | None = None,
        retry: RetryPolicy | None = None,
        pace: Pace = NO_WAIT,
        operator: Scripted | None = None,
        throttled_by: tuple[str, ...] = (),
        max_unread_bytes: int = 1000,
    ) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.ensure(TopicSpec(topic.name, 1, topic.max_message_bytes) for topic in TOPICS.values())
        self.broker.declare(ASSETS.name, "echo")
        self.operator = operator or Scripted(script)
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.stage = Stage(
            name="echo",
            sources=(ASSETS.name,),
            targets=(ANNOTATIONS.name,),
            operator=lambda: self.operator,
            batch=batch or BatchPolicy(),
            retry=retry or RetryPolicy(),
            throttled_by=throttled_by,
            max_unread_bytes=max_unread_bytes,
        )
        self.pace = pace
        self._given = Given(self.broker)
        self.worker = self.new_worker()
        self._readers: dict[str, Consumer] = {}

    def new_worker(self, **changes: object) -> Worker:
        return Worker(
            replace(self.stage, **changes),  # type: ignore[arg-type]  # names are checked by replace itself
            cast("Broker", self._given),
            clock=self.clock,
            metrics=self.metrics,
            readers={ANNOTATIONS.name: ["reader"]},
            pace=self.pace,
            rng=random.Random(7),
        )

    @property
    def producer(self) -> Producer:
        """The worker's own."""
        return self._given.producer_

    @property
    def member(self) -> Consumer:
        """The worker's own membership, once it has made a step."""
        return self._given.consumer_

    def publish(self, *names: str, tenant: str = "acme") -> None:
        """Deletions of the named assets: the smallest event there is."""
        for name in names:
            event = Event(AssetDeleted(asset_id=name), tenant, "p", name, self.clock.now_ms(), id=f"id-{name}")
            self.send(encode(event).value, dict(encode(event).headers), key=name.encode())

    def send(self, value: bytes, headers: dict[str, bytes] | None = None, *, key: bytes = b"") -> None:
        self.broker.producer().send(ASSETS.name, key, value, headers or {})

    def settle(self, steps: int = 200) -> None:
        """Step until nothing more happens at this moment of the clock."""
        for _ in range(steps):
            if not self.worker.step():
                return
        raise AssertionError("the worker did not come to rest")

    def pending(self) -> int:
        return self.broker.backlog(ASSETS.name, "echo").records

    def outputs(self) -> list[Event]:
        """New events on `annotations`."""
        return self._read(ANNOTATIONS.name)

    def output_names(self) -> list[str]:
        return [asset_id(event) for event in self.outputs() if isinstance(event.data, AssetDeleted)]

    def dead_letters(self) -> list[DeadLetter]:
        """New dead letters."""
        return [event.data for event in self._read(DEAD_LETTERS.name) if isinstance(event.data, DeadLetter)]

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"stage": "echo", **labels})

    def _read(self, topic: str) -> list[Event]:
        reader = self._readers.setdefault(topic, self.broker.consumer([topic], "reader"))
        records: Sequence[Record] = reader.poll(1000, 0)
        reader.ack(records)
        return [EventDecoder([TOPICS[topic]]).decode(record) for record in records]
