"""Objects of a tenant that are old are removed, but for those that somebody needs; who says which (see
`stream.sessions.job_retention`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from pydantic import ValidationError

from sinks.objects.store import ObjectStore
from stream.events.objects import Digest, Known

_AT_ONCE = 500
Written = tuple[Digest, int, int]
"""Digest, size and time of writing in ms of an object."""


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
    before_ms: int,
    free: Callable[[Sequence[Written]], Iterable[Written]],
    going: Callable[[], bool] = lambda: True,
) -> Expired:
    """Remove those of a tenant's objects that were written before a time and that `free` lets go. It is asked when all
    are listed, and of every few of them again right before they are removed: jobs that need them may have come
    meanwhile. A job that needs one of them after all makes it again. May be cut off at any time, as it is where `going`
    says so, and called again. Raises `Unavailable`.
    """
    objects = store.of(tenant)
    objects.tidy()
    count = size = entries = 0
    old = [each for each in takewhile(lambda _: going(), objects.listed()) if each[2] < before_ms]
    unneeded = list(free(old)) if old else []
    for start in range(0, len(unneeded), _AT_ONCE):
        if not going():
            break
        for digest, length, _ in takewhile(lambda _: going(), free(unneeded[start : start + _AT_ONCE])):
            objects.remove(digest)
            count, size = count + 1, size + length
    # After the objects: an entry whose outputs are gone is believed by nobody.
    for key, content in objects.entries(before_ms, going):
        try:
            known = Known.model_validate_json(content)
        except ValidationError:
            known = None
        if known is None or not all(objects.has(file.digest, file.size) for file in known.outputs):
            objects.forget(key)
            entries += 1
    return Expired(count, size, entries)
