"""Jobs as their documents tell of them, and the bytes of their finals. It changes nothing where they lie."""

import io
import json
import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from sinks.location import Location
from sinks.objects.store import ObjectStore, TenantObjects
from stream.events.objects import Digest
from stream.jobs.budgets import budget_name
from stream.jobs.manifest import Final
from stream.jobs.reports import FOLDER, manifest_name, status_name, tenant_folder, tenant_named, variants_name
from stream.media.rendering import RenderLimits
from stream.service.problems import busy
from stream.sessions.job_stills import FilmStills

MOST_COPIED_BYTES = 4 << 30
POSTER_SIDE = 440
_POSTERS = 512
_MOST_PICTURE_BYTES = 64 << 20
_MOST_FILM_BYTES = 256 << 20
"""Of a bucket: a larger film is not copied for one picture."""
_MOST_WAITING = 12
_STILL_LIMITS = RenderLimits(silence_s=20.0, longest_s=60.0)


class JobStore:
    """Thread-safe. `scratch`: where objects of a bucket are copied to; so many bytes of copies are kept for the next
    range of the same file. `close` it. Raises `Unavailable` (`store_unavailable`) and `Problem` (503, `busy`).
    """

    def __init__(self, place: Location, scratch: Path, most_bytes: int = MOST_COPIED_BYTES) -> None:
        self._store = ObjectStore(place)
        self._scratch = scratch
        self._most_bytes = most_bytes
        self._objects: dict[str, TenantObjects] = {}
        self._copies: OrderedDict[tuple[str, Digest], tuple[Path, int]] = OrderedDict()
        self._posters: OrderedDict[tuple[str, Digest], bytes] = OrderedDict()
        self._lock = threading.Lock()
        # A thread of its own, as a child ends with the thread that has started it.
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="stills")
        self._stills = FilmStills(scratch / "stills", _STILL_LIMITS)
        self._films_wanted = 0

    def close(self) -> None:
        """No film is drawn any more."""
        self._drawing.shutdown()

    def tenants(self) -> list[str]:
        """Of which there are jobs."""
        return [tenant_named(folder) for folder in self._store.documents.folders(FOLDER)]

    def jobs(self, tenant: str) -> list[dict[str, Any]]:
        """The states of a tenant's jobs, the newest first."""
        names = self._store.documents.folders(tenant_folder(tenant))
        found = [status for name in names if (status := self.status(tenant, name)) is not None]
        return sorted(found, key=lambda job: (-job["submitted_ms"], job["job"]))

    def status(self, tenant: str, job: str) -> dict[str, Any] | None:
        content = self._store.documents.read(status_name(tenant, job))
        return None if content is None else dict(json.loads(content))

    def budget(self, tenant: str) -> dict[str, Any] | None:
        """Of all jobs of a tenant; None where it has none."""
        content = self._store.documents.read(budget_name(tenant))
        told = None if content is None else dict(json.loads(content))
        return None if told is None or told["cpu_s"] is None else told

    def variants(self, tenant: str, job: str) -> list[dict[str, Any]]:
        """By their numbers."""
        content = self._store.documents.read(variants_name(tenant, job))
        return [] if content is None else list(json.loads(content))

    def manifest(self, tenant: str, job: str, variant: str) -> bytes | None:
        """The envelope as it was signed."""
        return self._store.documents.read(manifest_name(tenant, job, variant))

    def opened(self, tenant: str, digest: Digest) -> BinaryIO | None:
        """A file with these bytes, which were compared with the digest; None where it is gone or damaged."""
        key = (tenant, digest)
        with self._lock:
            objects = self._objects.setdefault(tenant, self._store.of(tenant))
            if key in self._copies:
                self._copies.move_to_end(key)
                return self._copies[key][0].open("rb")
        path = objects.verified(digest, self._scratch)
        if path is None:
            return None
        file = path.open("rb")
        if path.is_relative_to(self._scratch):
            self._keep(key, path, os.fstat(file.fileno()).st_size)
        return file

    def poster(self, tenant: str, final: Final) -> bytes | None:
        """A picture made small, or one of a film, as JPEG; None where it is gone, or nothing that can be shown."""
        key = (tenant, final.digest)
        if (kept := self._kept_poster(key)) is not None:
            return kept
        if final.is_film:
            return self._still(key)
        file = self.opened(tenant, final.digest)
        if file is None:
            return None
        with file:
            return self._keep_poster(key, small_picture(file))

    def _still(self, key: tuple[str, Digest]) -> bytes | None:
        with self._lock:
            # Each keeps one of the threads that answer.
            if self._films_wanted >= _MOST_WAITING:
                raise busy()
            self._films_wanted += 1
        return self._drawing.submit(self._drawn, key).result()

    def _drawn(self, key: tuple[str, Digest]) -> bytes | None:
        """One film at a time, and the child ends with the last of those that somebody waits for."""
        try:
            if (kept := self._kept_poster(key)) is not None:
                return kept
            tenant, digest = key
            objects = self._store.of(tenant)
            if objects.copied_bytes(digest) > _MOST_FILM_BYTES:
                return None
            path = self._stills.of(objects, digest)
            if path is None:
                return None
            with path.open("rb") as file:
                return self._keep_poster(key, small_picture(file))
        finally:
            with self._lock:
                self._films_wanted -= 1
                rests = not self._films_wanted
            if rests:
                self._stills.close()

    def _kept_poster(self, key: tuple[str, Digest]) -> bytes | None:
        with self._lock:
            if key in self._posters:
                self._posters.move_to_end(key)
            return self._posters.get(key)

    def _keep_poster(self, key: tuple[str, Digest], made: bytes | None) -> bytes | None:
        if made is not None:
            with self._lock:
                self._posters[key] = made
                while len(self._posters) > _POSTERS:
                    self._posters.popitem(last=False)
        return made

    def _keep(self, key: tuple[str, Digest], path: Path, size: int) -> None:
        with self._lock:
            gone = [self._copies.pop(key)[0]] if key in self._copies else []
            self._copies[key] = path, size
            while sum(held for _, held in self._copies.values()) > self._most_bytes and len(self._copies) > 1:
                gone.append(self._copies.popitem(last=False)[1][0])
        # Whoever still reads one has it open, so its bytes stay until then.
        for each in gone:
            each.unlink(missing_ok=True)


def small_picture(file: BinaryIO) -> bytes | None:
    """As JPEG; None for what is no picture, or too large to be shown."""
    from PIL import Image, UnidentifiedImageError

    if os.fstat(file.fileno()).st_size > _MOST_PICTURE_BYTES:
        return None
    with suppress(UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as picture:
            small = picture.convert("RGB")
        small.thumbnail((POSTER_SIDE, POSTER_SIDE))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=85)
        return out.getvalue()
    return None
