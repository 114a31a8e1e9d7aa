"""What the register of tenants says: who may publish through a topic of its own, and what such a record may claim."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from stream.events.asset import Json, Name, Uri

TENANT_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
"""A registered tenant is part of a topic's name. No dots: Kafka takes `a.b` and `a_b` for one name in metrics."""
TopicTenant = Annotated[str, StringConstraints(pattern=f"^{TENANT_NAME}$")]
Names = Annotated[tuple[Name, ...], Field(max_length=1000)]


class TenantRegistered(Json):
    """A tenant with a topic of its own, or its latest limits; the newest event of a tenant counts. Its records belong
    to one of `projects` and `regions`, the first of them where they name none; without any, to whichever they name.
    `sources`: folders, `s3://bucket/prefix` and http(s) URLs under which its footage must lie; without any, wherever
    the deployment may read.
    """

    type: ClassVar[str] = "rushes.tenant.registered.v1"
    tenant: TopicTenant
    projects: Names = ()
    regions: Names = ()
    sources: Annotated[tuple[Uri, ...], Field(max_length=1000)] = ()

    def partition_key(self) -> bytes:
        return self.tenant.encode()


class TenantRemoved(Json):
    """The tenant has no topic any more. What it published stays."""

    type: ClassVar[str] = "rushes.tenant.removed.v1"
    tenant: TopicTenant

    def partition_key(self) -> bytes:
        return self.tenant.encode()
