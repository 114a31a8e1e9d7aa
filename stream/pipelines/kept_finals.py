"""Deliveries of finals that lie in the store of objects alone: they are done when nobody removes these any more."""

from pathlib import Path

from sinks.objects.store import ObjectStore
from stream.clock import Clock
from stream.errors import Unavailable
from stream.events.jobs import TaskAsked
from stream.events.objects import LostObject, StoredFile
from stream.jobs.removals import being_removed
from stream.operators.render import FinalsDelivery


class KeptFinals:
    """Implements `stream.operators.render.FinalsDelivery` over another one, which writes the manifest."""

    def __init__(self, delivery: FinalsDelivery, store: ObjectStore, clock: Clock) -> None:
        self._delivery = delivery
        self._store = store
        self._clock = clock

    def deliver(self, tenant: str, task: TaskAsked, scratch: Path) -> tuple[StoredFile, ...]:
        """Raises `Unavailable` (`finals_being_removed`) too, and `LostObject` for finals that are gone by now."""
        made = self._delivery.deliver(tenant, task, scratch)
        # What was brought elsewhere is there, whatever becomes of the objects.
        if not task.settings["to"]:
            self._require(tenant, made)
        return made

    def lies_there(self, tenant: str, task: TaskAsked) -> bool:
        """As the other one."""
        return self._delivery.lies_there(tenant, task)

    def _require(self, tenant: str, made: tuple[StoredFile, ...]) -> None:
        going = being_removed(self._store.documents, tenant, self._clock.now_ms())
        if any(file.digest in going for file in made):
            raise Unavailable(
                "finals are among old objects that are being removed: they are delivered, or made again, when that is"
                " over",
                code="finals_being_removed",
            )
        # After that: what was told may have been done and withdrawn meanwhile.
        objects = self._store.of(tenant)
        if lost := [file.digest for file in made if not objects.has(file.digest, file.size)]:
            raise LostObject(*lost)
