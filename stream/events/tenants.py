"""What the register of tenants says: who may publish through a topic of its own, and what such a record may claim."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from stream.events.asset import Json, Name, Uri

TENANT_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
"""A registered tenant is part of a topic's name. No dots: Kafka takes `a.b` and `a_b` for one name in metrics."""
TopicTenant = Annotated[str, StringConstraints(pattern=f"^{TENANT_NAME}$")]
MOST_BYTE_RATE = 1 << 40
MOST_REQUEST_PERCENTAGE = 100_000.0
"""A thousand threads: Kafka counts a hundred for each."""
Names = Annotated[tuple[Name, ...], Field(max_length=1000)]


class TenantRegistered(Json):
    """A tenant with a topic of its own, or its latest limits; the newest event of a tenant counts. Its records belong
    to one of `projects` and `regions`, the first of them where they name none; without any, to whichever they name.
    `sources`: folders, `s3://bucket/prefix` and http(s) URLs under which its footage must lie; without any, wherever
    the deployment may read. `producer_byte_rate` (bytes a second) and `request_percentage` (time of request threads)
    are client quotas of each user who may write its topic, on each broker; without one the brokers' own hold.
    """

    type: ClassVar[str] = "rushes.tenant.registered.v1"
    tenant: TopicTenant
    projects: Names = ()
    regions: Names = ()
    sources: Annotated[tuple[Uri, ...], Field(max_length=1000)] = ()
    producer_byte_rate: Annotated[int, Field(ge=1, le=MOST_BYTE_RATE)] | None = None
    request_percentage: Annotated[float, Field(gt=0, le=MOST_REQUEST_PERCENTAGE)] | None = None

    def partition_key(self) -> bytes:
        return self.tenant.encode()

    @property
    def quotas(self) -> dict[str, float]:
        """By Kafka's names of them."""
        said = {"producer_byte_rate": self.producer_byte_rate, "request_percentage": self.request_percentage}
        return {name: float(value) for name, value in said.items() if value is not None}


class TenantRemoved(Json):
    """The tenant has no topic any more. What it published stays."""

    type: ClassVar[str] = "rushes.tenant.removed.v1"
    tenant: TopicTenant

    def partition_key(self) -> bytes:
        return self.tenant.encode()
