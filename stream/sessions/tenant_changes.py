"""Changes of the register of tenants: in the state directory, or on a cluster together with the topics."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from stream.broker.contract import Broker
from stream.clock import Clock
from stream.errors import Fatal
from stream.events.base import Payload
from stream.events.tenants import TenantRegistered, TenantRemoved
from stream.sessions.deployment_register import announce
from stream.sessions.embedded import state_lock
from stream.sessions.tenant_register import TenantRegister, read_tenants, write_tenants
from stream.topology.ownership import TENANT_TOPICS
from stream.topology.tenants import Tenants, tenant_topic
from stream.topology.topics import TENANTS


class TenantChanges(Protocol):
    """Durable when a call returns. Raises `Unavailable` and `Fatal`."""

    def tenants(self) -> Tenants: ...

    def add(self, tenant: TenantRegistered, producers: Collection[str] = ()) -> None:
        """Register it, or replace what was said of it. `producers`: who alone may write its topic from now on; without
        any that stays as it is. Raises `Fatal` (`no_authorizer`) where it cannot be said.
        """

    def remove(self, tenant: str) -> None:
        """Nobody may write its topic any more."""

    def producers(self, tenant: TenantRegistered) -> set[str]:
        """Who may write its topic; none where there is no authorizer that knows."""


class TopicRights(Protocol):
    """Who may write a topic (`stream.broker.kafka.rights`)."""

    def producers(self, topic: str) -> set[str]: ...

    def allow_only(self, topic: str, principals: Collection[str]) -> None: ...

    def close(self) -> None: ...


class LocalTenants:
    """Of a state directory. A session that runs keeps it locked, so a change never comes while it works."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def tenants(self) -> Tenants:
        return Tenants(read_tenants(self._state_dir))

    def add(self, tenant: TenantRegistered, producers: Collection[str] = ()) -> None:
        assert not producers, "nobody but this machine's users writes here"
        self._fold(tenant)

    def remove(self, tenant: str) -> None:
        self._fold(TenantRemoved(tenant=tenant))

    def producers(self, tenant: TenantRegistered) -> set[str]:  # noqa: ARG002 - as every register
        return set()

    def _fold(self, change: Payload) -> None:
        with state_lock(self._state_dir):
            known = self.tenants()
            known.received(change)
            write_tenants(self._state_dir, known.now.values())


class ClusterTenants:
    """Of a deployment on a cluster. Processes that run learn of a change within a second or two."""

    def __init__(
        self,
        connected: Callable[[], AbstractContextManager[Broker]],
        clock: Clock,
        partitions_of: Callable[[str], int],
        rights: Callable[[], TopicRights],
    ) -> None:
        self._rights = rights
        self._connected = connected
        self._clock = clock
        self._partitions_of = partitions_of

    def tenants(self) -> Tenants:
        with self._connected() as broker:
            self._ensure(broker)
            return _read(broker)

    def add(self, tenant: TenantRegistered, producers: Collection[str] = ()) -> None:
        topic = tenant_topic(tenant)
        with self._connected() as broker:
            self._ensure(broker)
            # The limits first: they hold before anything can be written.
            announce(broker, [tenant], self._clock.now_ms(), topic=TENANTS)
            broker.ensure([topic.spec(self._partitions_of(topic.name))])
        if producers:
            with closing(self._rights()) as rights:
                rights.allow_only(topic.name, producers)

    def remove(self, tenant: str) -> None:
        # The producers first: what they would still write nobody would read.
        with closing(self._rights()) as rights, _without_authorizer():
            rights.allow_only(TENANT_TOPICS + tenant, ())
        with self._connected() as broker:
            self._ensure(broker)
            announce(broker, [TenantRemoved(tenant=tenant)], self._clock.now_ms(), topic=TENANTS)

    def producers(self, tenant: TenantRegistered) -> set[str]:
        with closing(self._rights()) as rights, _without_authorizer():
            return rights.producers(tenant_topic(tenant).name)
        return set()

    def _ensure(self, broker: Broker) -> None:
        broker.ensure([TENANTS.spec(self._partitions_of(TENANTS.name))])


def _read(broker: Broker) -> Tenants:
    found = Tenants()
    register = TenantRegister(broker, found)
    try:
        register.read()
    finally:
        register.close()
    return found


@contextmanager
def _without_authorizer() -> Iterator[None]:
    """A cluster where everybody may write every topic has nothing to take back or to tell."""
    try:
        yield
    except Fatal as error:
        if error.code != "no_authorizer":
            raise
