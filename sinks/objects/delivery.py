"""Finals to where a job wants them: a folder or a bucket. What lies there is never overwritten.

What a delivery consists of is agreed on once, in the ledger, before anything leaves: the manifest has times in it, and
credentials have random numbers, so a delivery that is tried again would otherwise bring other bytes.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from sinks.location import Place
from sinks.objects.backends import Backend, backend_at
from sinks.objects.delivery_roots import DeliveryRoot, delivery_place
from sinks.objects.store import ObjectStore, TenantObjects, hashed
from stream.errors import BadMedia
from stream.events.jobs import TaskAsked
from stream.events.objects import Digest, Known, LostObject, StoredFile

MANIFEST = "manifest.json"
_MANIFEST_TYPE = "application/vnd.dsse.envelope+json"


@dataclass(frozen=True, slots=True)
class FinalToDeliver:
    """A final of a task. `of`: its name in the manifest, `STAGE/FILE`; `name`: that in the folder of the delivery."""

    of: str
    name: str
    file: StoredFile
    path: Path


@dataclass(frozen=True, slots=True)
class Credential:
    """A final once more with credentials inside (`c2pa`), or credentials to lie beside it (`c2pa-sidecar`)."""

    of: str
    name: str
    path: Path
    media_type: str
    kind: Literal["c2pa", "c2pa-sidecar"]


class Credentials(Protocol):
    """Content credentials for finals (`stream.pipelines.job_credentials`)."""

    def made(self, task: TaskAsked, final: FinalToDeliver, folder: Path) -> Credential | None:
        """The file that lies in `folder` then; None for a final that takes none. Raises `BadMedia`."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A credential among the objects."""

    of: str
    name: str
    digest: Digest
    media_type: str
    kind: str


class ObjectDelivery:
    """`manifest` makes the manifest of a delivery, with its credentials in it; `document` is the name under which that
    is kept among the documents. `roots`: see `delivery_place`.
    """

    def __init__(
        self,
        store: ObjectStore,
        manifest: Callable[[TaskAsked, Sequence[Extra]], bytes],
        document: Callable[[str, TaskAsked], str],
        roots: Sequence[DeliveryRoot] | None,
        credentials: Credentials | None = None,
    ) -> None:
        self._store = store
        self._manifest = manifest
        self._document = document
        self._roots = roots
        self._credentials = credentials

    def deliver(self, tenant: str, task: TaskAsked, scratch: Path) -> tuple[StoredFile, ...]:
        """The finals, credentials, and the manifest last; they lie where the job wants them. Raises `LostObject` for a
        final that is gone and does not lie there, `BadMedia` (`delivery_refused`) for a place that is not allowed or
        holds another file of this name, and `Unavailable`.
        """
        objects = self._store.of(tenant)
        to = str(task.settings["to"])
        # Before the work: what may not be delivered needs no credentials.
        target = backend_at(delivery_place(to, tenant, self._roots)) if to else None
        lies_there = target is not None and self.lies_there(tenant, task)
        if lies_there and (made := objects.known(_agreed_key(task))) is not None:
            # The objects of its finals may be removed after a time: nobody has to make them again for this.
            return (*map(StoredFile.model_validate, _finals(task)), *made.outputs)
        finals = _fetched(objects, task, scratch)
        agreed = self._agreed(objects, task, finals, scratch)
        *_, kept = agreed.outputs
        envelope = objects.read(kept.digest, kept.size)
        self._store.documents.write(self._document(tenant, task), envelope)
        if target is not None:
            # Of a delivery of this variant that was cut off; nobody else would ever remove it there.
            target.tidy(_folder(task))
            here = {final.file.digest: final.path for final in finals}
            for file in _files(agreed):
                path = here.get(file["digest"]) or objects.fetch(file["digest"], scratch)
                _bring(target, f"{_folder(task)}/{file['name']}", path, file["digest"], scratch)
            # After the finals: who finds a manifest finds what it names.
            target.put(f"{_folder(task)}/{MANIFEST}", envelope)
        return (*(final.file for final in finals), *agreed.outputs)

    def lies_there(self, tenant: str, task: TaskAsked) -> bool:
        """Whether everything of a delivery that was made lies where the job wants it, by names and sizes. Raises as
        `deliver`.
        """
        to = str(task.settings["to"])
        agreed = self._store.of(tenant).known(_agreed_key(task))
        if agreed is None:
            return False
        if self._store.documents.read(self._document(tenant, task)) is None:
            return False
        if not to:
            return True
        target = backend_at(delivery_place(to, tenant, self._roots))
        wanted = {file["name"]: file["size"] for file in _files(agreed)} | {MANIFEST: agreed.outputs[-1].size}
        return all(target.size(f"{_folder(task)}/{name}") == size for name, size in wanted.items())

    def _agreed(
        self, objects: TenantObjects, task: TaskAsked, finals: Sequence[FinalToDeliver], scratch: Path
    ) -> Known:
        """The ledger's entry: `outputs` are credentials and the manifest, `parts` the files beside the manifest."""
        key = _agreed_key(task)
        if (found := objects.known(key)) is not None and _whole(objects, found, scratch):
            return found
        extras = [extra for final in finals for extra in self._credential(objects, task, final, scratch)]
        named = [Extra(each.of, file.name, file.digest, file.media_type, each.kind) for each, file in extras]
        envelope = self._manifest(task, named)
        kept = StoredFile(
            name=MANIFEST, digest=objects.put_bytes(envelope), size=len(envelope), media_type=_MANIFEST_TYPE
        )
        inside = {each.of for each in named if each.kind == "c2pa"}
        listed = [(final.name, final.file) for final in finals if final.of not in inside]
        listed += [(each.name, file) for each, file in extras]
        parts: list[dict[str, Any]] = [
            {"name": name, "digest": file.digest, "size": file.size} for name, file in listed
        ]
        return objects.once(key, Known(outputs=(*(file for _, file in extras), kept), parts=tuple(parts)))

    def _credential(
        self, objects: TenantObjects, task: TaskAsked, final: FinalToDeliver, scratch: Path
    ) -> list[tuple[Credential, StoredFile]]:
        if self._credentials is None:
            return []
        made = self._credentials.made(task, final, scratch)
        if made is None:
            return []
        digest, size = objects.put(made.path)
        made.path.unlink()
        # Names of objects are shorter than those of files may be; the delivery's own list has the whole name.
        file = StoredFile(name=made.name[-64:].lstrip("._-"), digest=digest, size=size, media_type=made.media_type)
        return [(made, file)]


def bring_all(
    objects: TenantObjects, files: Sequence[tuple[str, Digest]], to: Place, folder: str, scratch: Path
) -> None:
    """Bring objects to a folder of a place, under these names. Raises as `ObjectDelivery.deliver`."""
    target = backend_at(to)
    for name, digest in files:
        _bring(target, f"{folder}/{name}", objects.fetch(digest, scratch), digest, scratch)


def _agreed_key(task: TaskAsked) -> str:
    # Apart from all keys of work, which `stream.jobs.keys` makes.
    return hashlib.sha256(f"rushes agreed delivery key\n{task.key}".encode()).hexdigest()


def _folder(task: TaskAsked) -> str:
    # The whole id: names repeat, and of ten thousand short ones some would be equal.
    return f"{task.job}/{task.settings['name']}-{task.variant}"


def _finals(task: TaskAsked) -> Sequence[Mapping[str, Any]]:
    finals: Any = task.settings["finals"]
    return tuple(finals)


def _files(agreed: Known) -> Sequence[Mapping[str, Any]]:
    return agreed.parts


def _whole(objects: TenantObjects, agreed: Known, scratch: Path) -> bool:
    """Whether credentials and manifest have the bytes that were agreed on. Damaged ones are gone then, and are made
    anew: nothing else of the variant has to be.
    """
    try:
        for file in agreed.outputs:
            objects.fetch(file.digest, scratch)
    except LostObject:
        return False
    return True


def _fetched(objects: TenantObjects, task: TaskAsked, scratch: Path) -> list[FinalToDeliver]:
    """Raises `LostObject` with all that are gone."""
    found: list[FinalToDeliver] = []
    lost: list[Digest] = []
    finals = _finals(task)
    for final in finals:
        file = StoredFile.model_validate(final)
        # Where two stages have a file of one name, both say whose they are.
        several = sum(each["name"] == file.name for each in finals) > 1
        name = f"{final['stage']}-{file.name}" if several else file.name
        try:
            path = objects.fetch(file.digest, scratch)
        except LostObject as error:
            lost += error.digests
        else:
            found.append(FinalToDeliver(f"{final['stage']}/{file.name}", name, file, path))
    if lost:
        raise LostObject(*lost)
    return found


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
