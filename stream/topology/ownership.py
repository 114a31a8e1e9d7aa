"""Whose the records of a topic are, whatever they say of themselves. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from stream.errors import BadEvent

TENANT_TOPICS = "assets."
"""What the names of topics of tenants begin with."""
CLAIMS = frozenset({"tenant_not_yours", "project_not_allowed", "region_not_allowed"})
"""The codes of records that claim what their topic does not let them."""


def owner_of(topic: str) -> str | None:
    """The tenant whose records a topic holds; None for a topic that many share."""
    return topic.removeprefix(TENANT_TOPICS) if topic.startswith(TENANT_TOPICS) else None


@dataclass(frozen=True, slots=True)
class Ownership:
    """What the records of a topic may claim: this tenant, one of `projects` and one of `regions`, the first where they
    name none. No projects or regions: any.
    """

    tenant: str
    projects: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    def require(self, tenant: str) -> str:
        """The owner. Raises `BadEvent` for a claim to be another one."""
        if tenant not in {"", self.tenant}:
            # The other name is not repeated: letters are shown, and it may be a real tenant's.
            raise BadEvent(
                f"the record says that it belongs to another tenant than {self.tenant!r}, whose topic this is: leave"
                " the attribute 'tenant' out, or send the record to that tenant's topic",
                code="tenant_not_yours",
            )
        return self.tenant

    def project(self, claimed: str) -> str:
        """The project; empty for none. Raises `BadEvent` for one that was not agreed."""
        if not _agreed(claimed, self.projects):
            raise BadEvent(_refused("project", self.projects), code="project_not_allowed")
        return claimed or next(iter(self.projects), "")

    def region(self, claimed: str) -> str:
        """As `project`."""
        if not _agreed(claimed, self.regions):
            raise BadEvent(_refused("region", self.regions), code="region_not_allowed")
        return claimed or next(iter(self.regions), "")


def _agreed(claimed: str, allowed: Sequence[str]) -> bool:
    return not claimed or not allowed or claimed in allowed


def _refused(name: str, allowed: Sequence[str]) -> str:
    named = ", ".join(allowed[:5]) + (" or another one that was agreed" if len(allowed) > 5 else "")
    return f"attribute {name!r} names none of this topic's {name}s: use {named}, or leave it out"
