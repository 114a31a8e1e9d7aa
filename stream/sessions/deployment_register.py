"""What keeps two groups of processes apart that bear one name: the topic `deployments` says which stores are the
deployment's, and which roll-out is on. Whoever comes second with others is refused with words.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from stream.broker.contract import Broker, Record
from stream.errors import BadEvent, Fatal, Unavailable
from stream.events.aim import Aim
from stream.events.base import Event, Payload
from stream.events.deployment import RolloutBegun, StoresClaimed
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import DEPLOYMENTS, Topic

WATCH_S = 0.5
# The topic has one small record for each roll-out: this reads all of it.
_ALL = 1_000_000
_FLUSH_S = 30.0
_PATIENCE = 30


@dataclass(frozen=True, slots=True)
class DeploymentMember:
    """What a process brings: the stores that it opens, the models that it plans for or runs. None for neither."""

    deployment: str
    stores: StoresClaimed | None = None
    aim: Aim | None = None


@dataclass(frozen=True, slots=True)
class RegisterEntries:
    """The fold of the topic."""

    stores: StoresClaimed | None = None
    aim: Aim | None = None

    def received(self, payload: Payload) -> "RegisterEntries":
        # The first word stands, so that two that come at once agree. Only an adoption overrules it (ADR 0034).
        if isinstance(payload, StoresClaimed) and (self.stores is None or payload.adopted):
            return RegisterEntries(payload, self.aim)
        if isinstance(payload, RolloutBegun) and (self.aim is None or payload.aim.epoch_ms > self.aim.epoch_ms):
            return RegisterEntries(self.stores, payload.aim)
        return self

    def require(self, member: DeploymentMember) -> None:
        """Raises `Fatal` where the member does not belong to what was said."""
        mine, theirs = member.stores, self.stores
        if mine is not None and theirs is not None and mine.stores != theirs.stores:
            raise Fatal(
                f"deployment {member.deployment!r} on this cluster keeps its stores at {theirs.place} (id"
                f" {theirs.stores[:8]}), and these are others: {mine.place} (id {mine.stores[:8]}). Give this one a"
                " name of its own (--deployment NAME), name those stores (--state), or, where these replace them, say"
                " `rushes adopt --broker …` with its workers stopped",
                code="other_stores",
            )
        aim, now = member.aim, self.aim
        # A later roll-out may bring other models. That is what a new roll-out is for.
        if aim is None or now is None or aim.understand == now.understand or aim.epoch_ms > now.epoch_ms:
            return
        raise Fatal(
            f"deployment {member.deployment!r} runs the models of space {now.space} in roll-out {now.epoch_ms}, this"
            f" process has those of {aim.space} (digest {aim.understand[:8]}, not {now.understand[:8]}) in roll-out"
            f" {aim.epoch_ms}: give every process the same models, or begin a new roll-out with a later --epoch-ms",
            code="other_models",
        )

    def lacks(self, member: DeploymentMember) -> list[Payload]:
        """What the member has to say before it works."""
        found: list[Payload] = []
        if member.stores is not None and self.stores is None:
            found.append(member.stores)
        if member.aim is not None and (self.aim is None or member.aim.epoch_ms > self.aim.epoch_ms):
            found.append(RolloutBegun(aim=member.aim))
        return found


class Register:
    """One process's view of the topic, which exists. `close` it."""

    def __init__(self, broker: Broker, member: DeploymentMember) -> None:
        self._broker = broker
        self._member = member
        self._decoder = EventDecoder([DEPLOYMENTS])
        self._follower = broker.follow(DEPLOYMENTS.name, _ALL)
        self._said = RegisterEntries()

    def enter(self, now_ms: int) -> None:
        """Take part, or be refused (`Fatal`). Of two that come at once the first one's word stands."""
        self._receive_all()
        self._said.require(self._member)
        # Only what is not said yet: a restart adds nothing to the topic.
        if words := self._said.lacks(self._member):
            announce(self._broker, words, now_ms)
            # Read again from the beginning: the broker's order decides whose word came first.
            self._follower.close()
            self._follower, self._said = self._broker.follow(DEPLOYMENTS.name, _ALL), RegisterEntries()
            self._receive_all()
            self._said.require(self._member)

    def watch(self, stop: threading.Event) -> None:
        """Until `stop`: raises `Fatal` once the process does not belong any more, as a later roll-out has begun."""
        while not stop.wait(WATCH_S):
            # Does not wait for records, so that `stop` is seen at once.
            self._receive(self._follower.poll(1000, 0.0))
            self._said.require(self._member)

    def close(self) -> None:
        self._follower.close()

    def _receive_all(self) -> None:
        # A bound, so that a broker that answers without end does not hold the start.
        for _ in range(_PATIENCE):
            if not self._follower.behind:
                return
            self._receive(self._follower.poll(1000, 1.0))
        raise Unavailable(f"{DEPLOYMENTS.name} cannot be read to its end", code="broker_unavailable")

    def _receive(self, records: Iterable[Record]) -> None:
        for record in records:
            try:
                payload = self._decoder.decode(record).data
            # Another release may write what this one does not know.
            except BadEvent:
                continue
            self._said = self._said.received(payload)


def announce(broker: Broker, words: Iterable[Payload], now_ms: int, *, topic: Topic = DEPLOYMENTS) -> None:
    """Durable when it returns. Raises `Unavailable`."""
    producer = broker.producer()
    try:
        sent = []
        for data in words:
            record = encode(Event(data, "default", "default", topic.name.rstrip("s"), now_ms, source="rushes"))
            sent.append(producer.send(topic.name, record.key, record.value, record.headers))
        producer.flush(_FLUSH_S)
        if refused := next((error for delivery in sent if (error := delivery.error()) is not None), None):
            raise Unavailable(f"{topic.name} takes nothing: {refused}", code="broker_unavailable")
    finally:
        producer.close()
