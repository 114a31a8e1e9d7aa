"""Changes of the register of tenants: in the state directory, or on a cluster together with the topics."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from stream.broker.contract import Broker
from stream.clock import Clock
from stream.errors import Fatal
from stream.events.base import Payload
from stream.events.tenants import TenantRegistered, TenantRemoved
from stream.sessions.deployment_register import announce
from stream.sessions.state_lock import state_lock
from stream.sessions.tenant_register import read_tenants, whole_register, write_tenants
from stream.topology.ownership import TENANT_TOPICS
from stream.topology.tenants import Tenants, tenant_topic
from stream.topology.topics import TENANTS


class TenantChanges(Protocol):
    """Durable when a call returns. Raises `Unavailable` and `Fatal`."""

    def tenants(self) -> Tenants: ...

    def add(self, tenant: TenantRegistered, producers: Collection[str] = ()) -> None:
        """Register it, or replace what was said of it. `producers`: who alone may write its topic from now on; without
        any that stays as it is. Raises `Fatal` (`no_authorizer`) where it cannot be said, and (`no_producers`) where
        quotas are those of nobody.
        """

    def remove(self, tenant: str) -> None:
        """Nobody may write its topic any more."""

    def producers(self, tenant: TenantRegistered) -> set[str]:
        """Who may write its topic; none where there is no authorizer that knows."""

    def quotas(self, producers: Collection[str]) -> dict[str, dict[str, float]]:
        """What the brokers bound each of them to, by Kafka's names."""


class UserQuotas(Protocol):
    """What users are bound to (`stream.broker.kafka.quotas`)."""

    def of(self, principals: Iterable[str]) -> dict[str, dict[str, float]]: ...

    def put(self, principals: Iterable[str], changes: Mapping[str, float | None]) -> None: ...


class TopicRights(Protocol):
    """Who may write a topic (`stream.broker.kafka.rights`)."""

    def producers(self, topic: str) -> set[str]: ...

    def allow_only(self, topic: str, principals: Collection[str]) -> None: ...

    def writes_elsewhere(self, principal: str, topic: str) -> bool: ...

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

    def quotas(self, producers: Collection[str]) -> dict[str, dict[str, float]]:  # noqa: ARG002
        return {}

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
        quotas: Callable[[], UserQuotas],
    ) -> None:
        self._rights = rights
        self._quotas = quotas
        self._connected = connected
        self._clock = clock
        self._partitions_of = partitions_of

    def tenants(self) -> Tenants:
        with self._connected() as broker:
            self._ensure(broker)
            return whole_register(broker)

    def add(self, tenant: TenantRegistered, producers: Collection[str] = ()) -> None:
        topic, writing = tenant_topic(tenant), self.producers(tenant)
        bound = set(producers) or writing
        if tenant.quotas and not bound:
            raise Fatal(
                "a quota is one of a user, and nobody is known who may write this tenant's topic: name them with"
                " --principal",
                code="no_producers",
            )
        with self._connected() as broker:
            self._ensure(broker)
            before = whole_register(broker).now.get(tenant.tenant)
            # The limits first: they hold before anything can be written.
            announce(broker, [tenant], self._clock.now_ms(), topic=TENANTS)
            broker.ensure([topic.spec(self._partitions_of(topic.name))])
        lifted = before.quotas.keys() - tenant.quotas.keys() if before else ()
        if changes := {**dict.fromkeys(lifted), **tenant.quotas}:
            self._quotas().put(sorted(bound), changes)
        if producers:
            with closing(self._rights()) as rights:
                rights.allow_only(topic.name, producers)
            self._forget(before, writing - bound)

    def remove(self, tenant: str) -> None:
        before = self.tenants().now.get(tenant)
        writing = self.producers(before) if before else set()
        # The producers first: what they would still write nobody would read.
        with closing(self._rights()) as rights, _without_authorizer():
            rights.allow_only(TENANT_TOPICS + tenant, ())
        self._forget(before, writing)
        with self._connected() as broker:
            self._ensure(broker)
            announce(broker, [TenantRemoved(tenant=tenant)], self._clock.now_ms(), topic=TENANTS)

    def quotas(self, producers: Collection[str]) -> dict[str, dict[str, float]]:
        return self._quotas().of(sorted(producers)) if producers else {}

    def _forget(self, tenant: TenantRegistered | None, gone: Collection[str]) -> None:
        """Those who do not write the tenant's topic any more lose its quotas. They are of the user as a whole: one who
        writes another topic keeps them, as nothing may become unbounded by the way.
        """
        if tenant is None or not tenant.quotas or not gone:
            return
        with closing(self._rights()) as rights:
            free = [each for each in sorted(gone) if not rights.writes_elsewhere(each, tenant_topic(tenant).name)]
        if free:
            self._quotas().put(free, dict.fromkeys(tenant.quotas))

    def producers(self, tenant: TenantRegistered) -> set[str]:
        with closing(self._rights()) as rights, _without_authorizer():
            return rights.producers(tenant_topic(tenant).name)
        return set()

    def _ensure(self, broker: Broker) -> None:
        broker.ensure([TENANTS.spec(self._partitions_of(TENANTS.name))])


@contextmanager
def _without_authorizer() -> Iterator[None]:
    """A cluster where everybody may write every topic has nothing to take back or to tell."""
    try:
        yield
    except Fatal as error:
        if error.code != "no_authorizer":
            raise
