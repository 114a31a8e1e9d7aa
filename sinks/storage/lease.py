"""Who may write a store on an object store: an object that its writer renews, replaced only as it was."""

import json
import logging
import os
import secrets
import socket
import threading
from dataclasses import dataclass

from sinks.location import Location
from sinks.storage.objects import Objects, ObjectTag
from stream.clock import Clock, SystemClock
from stream.errors import Fatal, Unavailable

LEASE_S = 30.0
"""For so long after its last sign of life a writer is waited for."""
_RENEWALS = 3
_PROBE = "conditional-write-probe"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    """`tag` is None where there is no such object yet."""

    epoch: int
    tag: ObjectTag | None
    owner: str
    until_ms: int


class Lease:
    """The lease of one `store` (its name in messages) at `location`, in the object `name`.

    A lease may end while its holder is stopped, and the holder need not know. So each holder has an `epoch`, greater
    than all before, with which it fences the tables: a commit of an earlier holder fails there. Clocks of machines may
    differ: then a successor only waits too long or too short.
    """

    def __init__(self, location: Location, store: str, name: str, clock: Clock | None = None) -> None:
        self._location = location
        self._store = store
        self._name = name
        self._clock = clock or SystemClock()
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._objects: Objects | None = None
        self._held: _Held | None = None
        self._epoch: int | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._renewing: threading.Thread | None = None
        self.lost = False
        """Another writer has taken it since it was held here."""

    @property
    def epoch(self) -> int | None:
        """Of who holds it here, also once that is lost: what this one commits then has to fail at the fence of another.
        None before it is taken and after it is given back.
        """
        return self._epoch

    def take(self) -> None:
        """Hold it from here on; again is harmless. Raises `Unavailable` (`store_locked`) while another's runs, `Fatal`
        (`store_not_conditional`) where the store does not refuse to replace an object.
        """
        with self._lock:
            if self._held is None:
                self._require_conditional()
                self._held = self._taken()
                self._epoch = self._held.epoch
                self.lost = False
        if self._renewing is None:
            self._stop.clear()
            self._renewing = threading.Thread(target=self._renew_on, name=f"lease of {self._store}", daemon=True)
            self._renewing.start()

    def check(self) -> None:
        """Before anything is acknowledged. Raises `Unavailable` (`store_locked`) where another writer has come."""
        with self._lock:
            if self._held is not None and (found := self._read()) is not None and found.epoch != self._held.epoch:
                self._lose(found)
            if self._held is None:
                raise self._locked("another writer")

    def release(self) -> None:
        """Idempotent. A successor need not wait."""
        self._stop.set()
        if self._renewing is not None:
            # Without the lock, which a renewal takes.
            self._renewing.join()
            self._renewing = None
        with self._lock:
            held, self._held, self._epoch = self._held, None, None
            if held is not None:
                # It stays with its epoch, above which the next one begins.
                self._write(_Held(held.epoch, held.tag, "", 0))

    def _renew_on(self) -> None:
        # Several times in its term, so that one renewal may fail.
        while not self._stop.wait(LEASE_S / _RENEWALS):
            try:
                with self._lock:
                    self._renew()
            except Exception as error:  # noqa: BLE001 - the next renewal may succeed; a commit tells of what lasts
                _log.warning(
                    "the lease of %s at %s is not renewed (%s)", self._store, self._location, type(error).__name__
                )

    def _renew(self) -> None:
        if (held := self._held) is None:
            return
        renewed = _Held(held.epoch, held.tag, self._owner, self._until_ms())
        if (tag := self._write(renewed)) is not None:
            self._held = _Held(held.epoch, tag, self._owner, renewed.until_ms)
        elif (found := self._read()) is None or found.epoch != held.epoch:
            self._lose(found)
        else:  # an answer was lost: the renewal before this one was written
            self._held = found

    def _lose(self, found: _Held | None) -> None:
        _log.warning("%s at %s has another writer now (%s)", self._store, self._location, found and found.owner)
        self._held, self.lost = None, True

    def _taken(self) -> _Held:
        found = self._read()
        # Clocks decide only how long this waits: the fences keep a writer alone (ADR 0044).
        if found is not None and found.until_ms > self._clock.now_ms():
            raise self._locked(f"another writer ({found.owner})")
        # By the clock as well, so that epochs grow also where somebody has removed the object.
        epoch = max(self._clock.now_ms(), 0 if found is None else found.epoch + 1)
        wanted = _Held(epoch, None if found is None else found.tag, self._owner, self._until_ms())
        if (tag := self._write(wanted)) is None:
            raise self._locked("another writer")
        return _Held(epoch, tag, self._owner, wanted.until_ms)

    def _until_ms(self) -> int:
        return self._clock.now_ms() + round(LEASE_S * 1000)

    def _locked(self, whom: str) -> Unavailable:
        message = f"{self._store} at {self._location} has {whom}; this one starts when that has ended"
        return Unavailable(message, code="store_locked")

    def _read(self) -> _Held | None:
        found = self._at().get(self._name)
        if found is None:
            return None
        try:
            said = json.loads(found.content)
            return _Held(int(said["epoch"]), found.tag, str(said["owner"]), int(said["until_ms"]))
        except (ValueError, KeyError, TypeError):
            raise Fatal(
                f"{self._location.child(self._name)} says who writes {self._store}, and cannot be read: remove it while"
                " nobody writes",
                code="store_unusable",
            ) from None

    def _write(self, held: _Held) -> ObjectTag | None:
        said = {"epoch": held.epoch, "owner": held.owner, "until_ms": held.until_ms}
        content = json.dumps(said).encode()
        objects = self._at()
        if held.tag is None:
            return objects.create(self._name, content)
        return objects.replace(self._name, content, held.tag)

    def _require_conditional(self) -> None:
        """Commits of the tables rely on it."""
        # A name of its own, as two processes may probe at once.
        objects, name = self._at(), f"{_PROBE}-{secrets.token_hex(8)}"
        try:
            first, second = objects.create(name, b""), objects.create(name, b"")
        finally:
            objects.remove(name)
        if first is None or second is not None:
            raise Fatal(
                f"the object store of {self._location} replaces an object although it was asked not to (If-None-Match):"
                " two writers would overwrite each other's commits; take one that supports conditional writes",
                code="store_not_conditional",
            )

    def _at(self) -> Objects:
        if self._objects is None:
            self._objects = Objects(self._location)
        return self._objects
