"""Objects by content, the ledger of results, and documents about jobs, in one place. Each tenant has its own folder."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path

from pydantic import ValidationError

from sinks.location import Location, Place
from sinks.objects.backends import Backend, backend_at
from stream.errors import Unavailable
from stream.events.objects import Digest, Known, LostObject, digest_of, own_folder

_TENANTS = "tenants"
_BLOCK_BYTES = 1 << 20
_MAX_ENTRY_BYTES = 8 << 20
_AT_ONCE = 16


def objects_of_tenants(place: Place) -> Location:
    """Where the objects of all tenants lie, for who has to read them by their uris."""
    return Location.of(place).child(_TENANTS)


class ObjectStore:
    """`sinks.objects` at a directory, or at `s3://bucket/prefix`. Thread-safe."""

    def __init__(self, place: Place) -> None:
        self._backend = backend_at(place)
        self._location = Location.of(place)

    def of(self, tenant: str) -> "TenantObjects":
        return TenantObjects(self._backend, f"{_TENANTS}/{own_folder(tenant)}", self._location)

    @property
    def documents(self) -> "StoredDocuments":
        return StoredDocuments(self._backend)


class StoredDocuments:
    """See `stream.jobs.objects.Documents`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def read(self, name: str) -> bytes | None:
        return self._backend.get(name)

    def write(self, name: str, content: bytes) -> None:
        self._backend.put(name, content)

    def names(self, under: str) -> Iterator[str]:
        return (name for name, _ in self._backend.names(under))

    def folders(self, under: str) -> list[str]:
        return self._backend.folders(under)

    def tidy(self, under: str) -> None:
        """Remove what killed processes left unfinished below a folder."""
        self._backend.tidy(under)


class TenantObjects:
    """See `stream.jobs.objects.ContentObjects`."""

    def __init__(self, backend: Backend, folder: str, location: Location) -> None:
        self._backend = backend
        self._location = location
        self._folder = folder
        self._compared: dict[tuple[str, int, int, int], None] = {}
        self._lock = threading.Lock()

    def put(self, path: Path) -> tuple[Digest, int]:
        digest, size = hashed(path)
        if not self._whole(digest, size):
            self._backend.put_file(self._object(digest), path)
            self._require(digest, size)
        return digest, size

    def put_bytes(self, content: bytes) -> Digest:
        digest = digest_of(content)
        if not self._whole(digest, len(content)):
            self._backend.put(self._object(digest), content)
            self._require(digest, len(content))
        return digest

    def has(self, digest: Digest, size: int) -> bool:
        return self._backend.size(self._object(digest)) == size

    def fetch(self, digest: Digest, scratch: Path) -> Path:
        path = self._backend.local(self._object(digest), scratch)
        if path is None:
            raise LostObject(digest)
        if not self._same(path, digest):
            self._backend.remove(self._object(digest))
            raise LostObject(digest)
        return path

    def verified(self, digest: Digest, scratch: Path) -> Path | None:
        """As `fetch`, for who only reads: None where it is gone or damaged, and nothing is removed."""
        path = self._backend.local(self._object(digest), scratch)
        if path is None or self._same(path, digest):
            return path
        # A copy of it is of no use to anybody; what lies here stays.
        if self._backend.at(self._object(digest)) is None:
            path.unlink()
        return None

    def copied_bytes(self, digest: Digest) -> int:
        """How much `verified` copies: nothing of an object that lies here as a file, or is gone."""
        name = self._object(digest)
        return 0 if self._backend.at(name) is not None else self._backend.size(name) or 0

    def read(self, digest: Digest, most_bytes: int) -> bytes:
        name = self._object(digest)
        size = self._backend.size(name)
        content = self._backend.get(name) if size is not None and size <= most_bytes else None
        if content is None:
            raise LostObject(digest)
        if digest_of(content) != digest:
            self._backend.remove(name)
            raise LostObject(digest)
        return content

    def uri(self, digest: Digest) -> str:
        name, path = self._object(digest), self._location.path
        return f"{self._location.uri}/{name}" if path is None else (path.resolve() / name).as_uri()

    def known(self, key: str) -> Known | None:
        content = self._backend.get(self._entry(key))
        if content is None or len(content) > _MAX_ENTRY_BYTES:
            return None
        try:
            found = Known.model_validate_json(content)
        except ValidationError:
            return None  # another release wrote it, or the disk damaged it: the result is made anew
        return found if all(self.has(file.digest, file.size) for file in found.outputs) else None

    def known_of(self, keys: Sequence[str]) -> dict[str, Known]:
        wanted = list(dict.fromkeys(keys))
        if self._location.path is not None or len(wanted) < 2:
            found = [self.known(key) for key in wanted]
        else:
            # Of a bucket each answer is on its way for long, and takes no work here.
            with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
                found = list(pool.map(self.known, wanted))
        return {key: known for key, known in zip(wanted, found, strict=True) if known is not None}

    def learn(self, key: str, known: Known) -> None:
        # Equal keys have equal outputs, so it does not matter whose entry stays. The first keeps its cost.
        if self.known(key) is None:
            self._backend.put(self._entry(key), known.model_dump_json().encode())

    def once(self, key: str, known: Known) -> Known:
        """Enter a result whose bytes are not the same each time. What the ledger says then: the entry of whoever was
        first, unless its outputs are gone.
        """
        content = known.model_dump_json().encode()
        if self._backend.create(self._entry(key), content):
            return known
        if (found := self.known(key)) is not None:
            return found
        self._backend.put(self._entry(key), content)
        return known

    def listed(self) -> Iterator[tuple[Digest, int, int]]:
        """Digest, size and time of writing in ms of every object."""
        for name, size, written_ms in self._backend.listed(f"{self._folder}/objects"):
            *_, head, rest = name.split("/")
            yield f"sha256:{head}{rest}", size, written_ms

    def tidy(self) -> None:
        """Remove what killed processes left unfinished."""
        self._backend.tidy(self._folder)

    def remove(self, digest: Digest) -> None:
        """Idempotent."""
        self._backend.remove(self._object(digest))

    def entries(self, before_ms: int, going: Callable[[], bool]) -> Iterator[tuple[str, bytes]]:
        """Key and content of the ledger's entries that were written before a time, until `going` says no."""
        listed = takewhile(lambda _: going(), self._backend.listed(f"{self._folder}/results"))
        for name in [name for name, _, written_ms in listed if written_ms < before_ms]:
            if not going():
                return
            if (content := self._backend.get(name)) is not None:
                *_, head, rest = name.removesuffix(".json").split("/")
                yield head + rest, content

    def forget(self, key: str) -> None:
        """Remove an entry of the ledger. Idempotent."""
        self._backend.remove(self._entry(key))

    def _whole(self, digest: Digest, size: int) -> bool:
        """Whether it is there, and where that costs no transfer also with the right bytes: who stores what a disk has
        damaged mends it.
        """
        if not self.has(digest, size):
            return False
        path = self._backend.at(self._object(digest))
        return path is None or self._same(path, digest)

    def _require(self, digest: Digest, size: int) -> None:
        """Before a ledger says so: the place itself says that an object is there. Raises `Unavailable`."""
        if not self.has(digest, size):
            raise Unavailable(
                f"the store of objects does not have what it has taken, of {size} bytes; it is stored again when it has"
                " room and answers",
                code="store_unavailable",
            )

    def _same(self, path: Path, digest: Digest) -> bool:
        """Whether a file has these bytes. A file that was compared and not touched since is not read again."""
        facts = path.stat()
        seen = (digest, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        with self._lock:
            if seen in self._compared:
                return True
        if hashed(path)[0] != digest:
            return False
        with self._lock:
            self._compared[seen] = None
            if len(self._compared) > 10_000:
                del self._compared[next(iter(self._compared))]
        return True

    def _object(self, digest: Digest) -> str:
        value = digest.removeprefix("sha256:")
        return f"{self._folder}/objects/{value[:2]}/{value[2:]}"

    def _entry(self, key: str) -> str:
        return f"{self._folder}/results/{key[:2]}/{key[2:]}.json"


def hashed(path: Path) -> tuple[Digest, int]:
    """Digest and size of a file."""
    hasher, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            hasher.update(block)
            size += len(block)
    return f"sha256:{hasher.hexdigest()}", size
