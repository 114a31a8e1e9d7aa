"""Old objects that are being removed, told before it is looked for the last time whether somebody needs them. So who
removes them sees the manifest that names them, or who writes that manifest sees that they go.
"""

import json
from collections.abc import Sequence
from typing import Any

from stream.events.objects import Digest, own_folder
from stream.jobs.objects import Documents

REMOVED_WITHIN_MS = 30_000
_BELIEVED_MS = 2 * REMOVED_WITHIN_MS
"""Longer, as clocks differ. What a process that was killed has told is believed no longer either."""


def tell_removal(documents: Documents, tenant: str, digests: Sequence[Digest], now_ms: int) -> None:
    """Whoever tells it removes nothing of it any more after `REMOVED_WITHIN_MS`, and tells then that nothing goes."""
    told = {"until_ms": now_ms + _BELIEVED_MS, "digests": list(digests)}
    documents.write(_name(tenant), json.dumps(told).encode())


def being_removed(documents: Documents, tenant: str, now_ms: int) -> frozenset[Digest]:
    """Of a tenant's objects those that may be gone in a moment."""
    content = documents.read(_name(tenant))
    told: dict[str, Any] = {} if content is None else json.loads(content)
    return frozenset(told["digests"] if now_ms < told.get("until_ms", 0) else ())


def _name(tenant: str) -> str:
    return f"removals/{own_folder(tenant)}.json"
