"""Where finals may be delivered. Tenants never share a place: one would learn what another's files are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sinks.location import Location
from stream.errors import BadMedia, Fatal, StageError
from stream.events.ids import is_tenant
from stream.events.objects import own_folder


@dataclass(frozen=True, slots=True)
class DeliveryRoot:
    """A place below which a tenant's finals may lie; without `tenant`, each tenant has the folder of its own name in it
    (`own_folder`).
    """

    place: Location
    tenant: str | None = None

    @classmethod
    def parse(cls, text: str) -> "DeliveryRoot":
        """From `PLACE` or `TENANT=PLACE`. Raises `Fatal` (`unusable_path`)."""
        tenant, equals, place = text.partition("=")
        # A place with `=` in its name begins with a scheme or a folder.
        if not equals or "/" in tenant or not is_tenant(tenant):
            return cls(_located(text))
        if not place:
            raise Fatal(f"{text!r} names no place after the =", code="unusable_path")
        return cls(_located(place), tenant)

    def holds(self, tenant: str, place: Location) -> bool:
        """Whether a tenant's finals may lie there."""
        root = self.place.uri.rstrip("/")
        if self.tenant is None:
            root = f"{root}/{own_folder(tenant)}"
        elif self.tenant != tenant:
            return False
        return place.uri == root or place.uri.startswith(f"{root}/")


def delivery_place(to: str, tenant: str, roots: Sequence[DeliveryRoot] | None) -> Location:
    """Where a job's finals go. `roots`: None where whoever submits a job may write wherever this process may. Raises
    `BadMedia` (`delivery_refused`).
    """
    try:
        place = _located(to)
    except StageError as error:
        raise BadMedia(error.message, code="delivery_refused") from None
    if roots is not None and not any(root.holds(tenant, place) for root in roots):
        raise BadMedia(
            "the job wants its finals where this deployment delivers nothing for its tenant: name a place below one of"
            " `--deliver-root`, in the folder with the tenant's name unless the root is the tenant's alone",
            code="delivery_refused",
        )
    return place


def _located(text: str) -> Location:
    try:
        # Links are followed first: what a link leads to is where the files would lie.
        return Location.of(text if "://" in text else Path(text).resolve())
    except (OSError, ValueError, RuntimeError):
        raise Fatal(f"{text!r} is no place", code="unusable_path") from None
