"""Intermediates that nobody needs any more are removed; finals, assets and descriptions never are."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import ValidationError

from sinks.objects.store import ObjectStore
from stream.events.objects import Digest, Known


@dataclass(frozen=True, slots=True)
class Expired:
    """What was removed: objects, their bytes, and entries of the ledger whose outputs are gone."""

    objects: int = 0
    bytes: int = 0
    entries: int = 0

    def __add__(self, other: "Expired") -> "Expired":
        return Expired(self.objects + other.objects, self.bytes + other.bytes, self.entries + other.entries)


def expire(
    store: ObjectStore,
    tenant: str,
    kept: AbstractSet[Digest],
    before_ms: int,
    older: Mapping[Digest, int] = MappingProxyType({}),
    going: Callable[[], bool] = lambda: True,
) -> Expired:
    """Remove a tenant's objects that were written before a time and are not among `kept`; of some, that were written
    before another time (`older`). A job that needs one of them after all makes it again. May be cut off at any time, as
    it is where `going` says so, and called again. Raises `Unavailable`.
    """
    objects = store.of(tenant)
    objects.tidy()
    count = size = entries = 0
    for digest, length, written_ms in list(objects.listed()):
        if not going():
            break
        if written_ms < older.get(digest, before_ms) and digest not in kept:
            objects.remove(digest)
            count, size = count + 1, size + length
    # After the objects: an entry whose outputs are gone is believed by nobody.
    for key, content in objects.entries(max([before_ms, *older.values()])):
        if not going():
            break
        try:
            known = Known.model_validate_json(content)
        except ValidationError:
            known = None
        if known is None or not all(objects.has(file.digest, file.size) for file in known.outputs):
            objects.forget(key)
            entries += 1
    return Expired(count, size, entries)
