"""Changes of the register of tenants: in the state directory, or on a cluster together with the topics."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from stream.broker.contract import Broker
from stream.clock import Clock
from stream.events.base import Payload
from stream.events.tenants import TenantRegistered, TenantRemoved
from stream.sessions.deployment_register import announce
from stream.sessions.embedded import state_lock
from stream.sessions.tenant_register import TenantRegister, read_tenants, write_tenants
from stream.topology.tenants import Tenants, tenant_topic
from stream.topology.topics import TENANTS


class TenantChanges(Protocol):
    """Durable when a call returns. Raises `Unavailable` and `Fatal`."""

    def tenants(self) -> Tenants: ...

    def add(self, tenant: TenantRegistered) -> None:
        """Register it, or replace what was said of it."""

    def remove(self, tenant: str) -> None: ...


class LocalTenants:
    """Of a state directory. A session that runs keeps it locked, so a change never comes while it works."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def tenants(self) -> Tenants:
        return Tenants(read_tenants(self._state_dir))

    def add(self, tenant: TenantRegistered) -> None:
        self._fold(tenant)

    def remove(self, tenant: str) -> None:
        self._fold(TenantRemoved(tenant=tenant))

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
    ) -> None:
        self._connected = connected
        self._clock = clock
        self._partitions_of = partitions_of

    def tenants(self) -> Tenants:
        with self._connected() as broker:
            self._ensure(broker)
            return _read(broker)

    def add(self, tenant: TenantRegistered) -> None:
        with self._connected() as broker:
            self._ensure(broker)
            topic = tenant_topic(tenant)
            # The limits first: they hold before anything can be written.
            announce(broker, [tenant], self._clock.now_ms(), topic=TENANTS)
            broker.ensure([topic.spec(self._partitions_of(topic.name))])

    def remove(self, tenant: str) -> None:
        with self._connected() as broker:
            self._ensure(broker)
            announce(broker, [TenantRemoved(tenant=tenant)], self._clock.now_ms(), topic=TENANTS)

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
