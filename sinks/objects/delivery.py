"""Finals to where a job wants them: a folder or a bucket. What lies there is never overwritten."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sinks.location import Location, Place
from sinks.objects.backends import Backend, backend_at
from sinks.objects.store import ObjectStore, TenantObjects, hashed
from stream.errors import BadMedia, StageError
from stream.events.jobs import TaskAsked
from stream.events.objects import Digest, LostObject, StoredFile

MANIFEST = "manifest.json"
_MANIFEST_TYPE = "application/vnd.dsse.envelope+json"


class ObjectDelivery:
    """`manifest` makes the signed manifest of a delivery, `document` the name under which it is kept among the
    documents. `allowed`: places below which deliveries may lie; None where whoever submits a job may write wherever
    this process may.
    """

    def __init__(
        self,
        store: ObjectStore,
        manifest: Callable[[TaskAsked], bytes],
        document: Callable[[str, TaskAsked], str],
        allowed: tuple[Place, ...] | None,
    ) -> None:
        self._store = store
        self._manifest = manifest
        self._document = document
        self._allowed = None if allowed is None else tuple(Location.of(place).uri.rstrip("/") for place in allowed)

    def deliver(self, tenant: str, task: TaskAsked, scratch: Path) -> tuple[StoredFile, ...]:
        """What lies there then, the manifest last. Raises `LostObject` for a final that is gone, `BadMedia`
        (`delivery_refused`) for a place that is not allowed or holds another file of this name, and `Unavailable`.
        """
        objects = self._store.of(tenant)
        finals = [StoredFile.model_validate(final) for final in _finals(task)]
        paths = _fetched(objects, finals, scratch)
        envelope = self._manifest(task)
        kept = StoredFile(
            name=MANIFEST, digest=objects.put_bytes(envelope), size=len(envelope), media_type=_MANIFEST_TYPE
        )
        self._store.documents.write(self._document(tenant, task), envelope)
        to = str(task.settings["to"])
        if to:
            target = self._target(to)
            # The whole id: names repeat, and of ten thousand short ones some would be equal.
            folder = f"{task.job}/{task.settings['name']}-{task.variant}"
            for name, final, path in zip(_names(task), finals, paths, strict=True):
                _bring(target, f"{folder}/{name}", path, final.digest, scratch)
            # After the finals: who finds a manifest finds what it names.
            target.put(f"{folder}/{MANIFEST}", envelope)
        return (*finals, kept)

    def _target(self, to: str) -> Backend:
        try:
            place = Location.of(Path(to).resolve() if "://" not in to else to)
        except StageError as error:
            raise BadMedia(error.message, code="delivery_refused") from None
        inside = self._allowed is None or any(
            place.uri == root or place.uri.startswith(f"{root}/") for root in self._allowed
        )
        if not inside:
            raise BadMedia(
                "the job wants its finals where this deployment delivers nothing: name a place below one of those of"
                " `--deliver-root`",
                code="delivery_refused",
            )
        return backend_at(place)


def _fetched(objects: TenantObjects, files: Sequence[StoredFile], scratch: Path) -> list[Path]:
    """Raises `LostObject` with all that are gone."""
    found: list[Path] = []
    lost: list[Digest] = []
    for file in files:
        try:
            found.append(objects.fetch(file.digest, scratch))
        except LostObject as error:
            lost += error.digests
    if lost:
        raise LostObject(*lost)
    return found


def bring_all(objects: TenantObjects, files: Sequence[StoredFile], to: Place, folder: str, scratch: Path) -> None:
    """Bring objects to a folder of a place, under their names. Raises as `ObjectDelivery.deliver`."""
    target = backend_at(to)
    for file in files:
        _bring(target, f"{folder}/{file.name}", objects.fetch(file.digest, scratch), file.digest, scratch)


def _finals(task: TaskAsked) -> list[dict[str, Any]]:
    found: Any = task.settings["finals"]
    return list(found)


def _names(task: TaskAsked) -> list[str]:
    """The names of the finals; where two stages have a file of one name, both say whose they are."""
    files = [str(final["name"]) for final in _finals(task)]
    return [
        f"{final['stage']}-{name}" if files.count(name) > 1 else name
        for final, name in zip(_finals(task), files, strict=True)
    ]


def _bring(target: Backend, name: str, path: Path, digest: Digest, scratch: Path) -> None:
    size = path.stat().st_size
    there = target.size(name)
    if there is None:
        target.put_file(name, path)
        # Asked again: a delivery is done when the place itself says that it is there.
        there = target.size(name)
    if there != size or not _is(target, name, digest, scratch):
        raise BadMedia(
            f"where the finals go lies another file named {name.rpartition('/')[2]!r}, which is kept: move it"
            " away, or deliver to another place",
            code="delivery_refused",
        )


def _is(target: Backend, name: str, digest: Digest, scratch: Path) -> bool:
    """Whether what lies there has these bytes, by reading it."""
    found = target.local(name, scratch)
    return found is not None and hashed(found)[0] == digest
