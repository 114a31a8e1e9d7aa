"""Topics of tenants: who a record belongs to is said by the topic that it came through, not by the record. Pure."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.base import Payload
from stream.events.tenants import TenantRegistered, TenantRemoved
from stream.topology.ownership import TENANT_TOPICS, Ownership
from stream.topology.topics import Topic


def tenant_topic(tenant: TenantRegistered) -> Topic:
    """The topic that the tenant's producers write. Nothing is kept once the gate has written it on (ADR 0047)."""
    owner = Ownership(tenant.tenant, tenant.projects, tenant.regions)
    return Topic(TENANT_TOPICS + tenant.tenant, (AssetPublished, AssetDeleted), entry=True, owner=owner)


class Tenants:
    """The registered tenants as far as this process knows them. Any thread may read `now`; it is never changed, only
    replaced.
    """

    def __init__(self, known: Iterable[TenantRegistered] = ()) -> None:
        self.now: Mapping[str, TenantRegistered] = MappingProxyType({each.tenant: each for each in known})

    def received(self, payload: Payload) -> None:
        """Fold one event of the register in."""
        if isinstance(payload, TenantRegistered):
            self.now = MappingProxyType({**self.now, payload.tenant: payload})
        elif isinstance(payload, TenantRemoved):
            self.now = MappingProxyType({name: each for name, each in self.now.items() if name != payload.tenant})

    def topics(self) -> dict[str, Topic]:
        """By name."""
        return {topic.name: topic for topic in map(tenant_topic, self.now.values())}


ANY_TENANT = Tenants([TenantRegistered(tenant="TENANT")])
"""Stands for those that nobody knows yet, where only the shape of a topology is asked."""
