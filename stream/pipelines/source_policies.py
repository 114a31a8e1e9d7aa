"""What the footage of each tenant may be named: what the settings allow, within the tenant's own sources, and what was
uploaded for it.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

from decoders.sources.limits import SourceLimits
from decoders.sources.permission import require_allowed
from decoders.sources.policy import SourcePolicy
from stream.events.tenants import TenantRegistered
from stream.pipelines.settings import Settings
from stream.pipelines.source_policy import source_policy
from stream.pipelines.upload_places import UploadRoots

_log = logging.getLogger(__name__)
_MOST_KEPT = 256


class KnownTenants(Protocol):
    """The tenants that are registered, as far as a process knows them."""

    @property
    def now(self) -> Mapping[str, TenantRegistered]: ...


class SourcePolicies:
    """By tenant, as they are registered at the time. Thread-safe."""

    def __init__(self, settings: Settings, tenants: KnownTenants) -> None:
        self._settings = settings
        self._tenants = tenants
        self._uploads = UploadRoots(settings.uploads_dir)
        self._made: OrderedDict[str, tuple[TenantRegistered | None, SourcePolicy]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, tenant: str) -> SourcePolicy:
        registered = self._tenants.now.get(tenant)
        with self._lock:
            known = self._made.get(tenant)
            # Made again only after a change: a large deployment has thousands of roots.
            if known is None or known[0] != registered:
                self._made[tenant] = known = registered, self._uploads.added_to(self._allowed(registered), tenant)
                # On an open topic anybody makes up tenants.
                if len(self._made) > _MOST_KEPT:
                    self._made.popitem(last=False)
            return known[1]

    def require(self, tenant: str, uri: str) -> None:
        """Raises `BadMedia` (`source_not_allowed`, `invalid_uri`) for what the tenant may not name."""
        require_allowed(uri, self(tenant))

    def _allowed(self, registered: TenantRegistered | None) -> SourcePolicy:
        if registered is None or not registered.sources:
            return self.everyone
        return self.everyone.limited_to(_limits(registered))

    @cached_property
    def everyone(self) -> SourcePolicy:
        return source_policy(self._settings)


def _limits(tenant: TenantRegistered) -> SourceLimits:
    try:
        return SourceLimits.of(tenant.sources)
    except ValueError:
        # Written by another release, or by hand: what cannot be understood allows nothing.
        _log.warning("the sources of tenant %s cannot be used: nothing of it is read", tenant.tenant)
        return SourceLimits()
