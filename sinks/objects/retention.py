"""Intermediates that nobody needs any more are removed; finals, assets and descriptions never are."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pydantic import ValidationError

from sinks.objects.store import ObjectStore
from stream.events.objects import Digest, Known


@dataclass(frozen=True, slots=True)
class Expired:
    """What was removed: objects, their bytes, and entries of the ledger whose outputs are gone."""

    objects: int = 0
    bytes: int = 0
    entries: int = 0


def expire(store: ObjectStore, tenant: str, kept: AbstractSet[Digest], before_ms: int) -> Expired:
    """Remove a tenant's objects that were written before a time and are not among `kept`. A job that needs one of them
    after all makes it again. May be cut off at any time and called again. Raises `Unavailable`.
    """
    objects = store.of(tenant)
    objects.tidy()
    count = size = entries = 0
    for digest, length, written_ms in list(objects.listed()):
        if written_ms < before_ms and digest not in kept:
            objects.remove(digest)
            count, size = count + 1, size + length
    # After the objects: an entry whose outputs are gone is believed by nobody.
    for key, content in objects.entries(before_ms):
        try:
            known = Known.model_validate_json(content)
        except ValidationError:
            known = None
        if known is None or not all(objects.has(file.digest, file.size) for file in known.outputs):
            objects.forget(key)
            entries += 1
    return Expired(count, size, entries)
