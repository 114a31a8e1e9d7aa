"""The register of access of a deployment on a cluster: the topic `access`, from which every process reads the same."""

import hmac
import json
import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stream.access.records import ApiKey, Grant, Team, parsed
from stream.access.register import AccessRegister
from stream.access.register_file import PEPPER, RegisterFile
from stream.broker.contract import Broker, Record
from stream.clock import Clock
from stream.errors import BadEvent, BadRequest, Fatal, StageError, Unavailable
from stream.events.access import AccessRecorded, AccessTaken, PepperNamed
from stream.events.base import Payload
from stream.sessions.deployment_register import announce
from stream.topology.codec import EventDecoder
from stream.topology.topics import ACCESS

_log = logging.getLogger(__name__)
# The topic has one small record for each change: this reads all of it.
_ALL = 1_000_000
_PATIENCE, _POLL_S, _SEEN_S = 30, 0.5, 15.0
_ASK_S = 10.0
OLDEST_S = 300.0
"""How long rights count while the cluster does not answer, unless somebody chose otherwise."""


class RegisterTopic:
    """An `AccessStore`. `register` answers from memory; changes of other processes are in it a moment after they are
    durable, those of this one when the call returns. `pepper_dir` has the secret of keys, which all processes of the
    deployment share. Every `ask_s` the cluster is asked whether it is there: where it was not for `oldest_s`, nobody
    may do anything. `close` it.
    """

    def __init__(
        self, broker: Broker, clock: Clock, pepper_dir: Path, *, oldest_s: float = OLDEST_S, ask_s: float = _ASK_S
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._peppers = RegisterFile(pepper_dir)
        self._pepper_path = pepper_dir / PEPPER
        # One partition: the order of all words in it decides.
        broker.ensure([ACCESS.spec(1)])
        self._decoder = EventDecoder([ACCESS])
        self._follower = broker.follow(ACCESS.name, _ALL)
        self._records: dict[str, Team | Grant | ApiKey] = {}
        self._register = AccessRegister()
        self._fingerprint: str | None = None
        self._changed = threading.Condition()
        self._awaited: list[tuple[Payload, threading.Event]] = []
        self._stop = threading.Event()
        self._oldest_s, self._ask_s = oldest_s, ask_s
        self._read_all()
        self._heard_s = clock.monotonic_s()
        self._thread = threading.Thread(target=self._watch, name="access", daemon=True)
        self._asking = threading.Thread(target=self._ask, name="access contact", daemon=True)
        self._thread.start()
        self._asking.start()

    def register(self) -> AccessRegister:
        """Raises `Unavailable` once changes do not come any more: a role that was taken would live on here."""
        if not self._thread.is_alive():
            raise Unavailable(f"{ACCESS.name} is not read any more: start the process again", code="broker_unavailable")
        if self._clock.monotonic_s() - self._heard_s > self._oldest_s:
            raise Unavailable(
                f"the cluster has not answered for {self._oldest_s:g} s: roles that were taken since could live on"
                " here; see that this machine reaches it",
                code="broker_unavailable",
            )
        # A new one with each change, so that a request that has one sees no half of the next.
        return self._register

    def put(self, record: Team | Grant | ApiKey) -> None:
        """Raises `Unavailable`."""
        self._say(AccessRecorded(name=record.key, record=_plain(record)))

    def exchange(self, old: Team | Grant | ApiKey, new: Team | Grant | ApiKey) -> bool:
        """Raises `Unavailable`."""
        self._say(AccessRecorded(name=new.key, record=_plain(new), instead_of=_plain(old)))
        return self.register().get(new.key) == new

    def take(self, key: str) -> bool:
        """Raises `Unavailable`."""
        if self.register().get(key) is None:
            return False
        self._say(AccessTaken(name=key))
        return True

    def pepper(self) -> bytes:
        """Raises `Fatal` (`other_pepper`, `access_unreadable`) and `Unavailable`."""
        found = self._peppers.pepper()
        mine = hmac.digest(found, b"fingerprint", "sha256").hex()
        if self._fingerprint is None:
            self._say(PepperNamed(fingerprint=mine))
        # Read again: of two that come at once the first one's word stands.
        if self._fingerprint != mine:
            raise Fatal(
                f"{self._pepper_path} is not the secret that this deployment's keys are digested with: copy the file"
                " from the state directory of a process that is at work",
                code="other_pepper",
            )
        return found

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._asking.join()
        self._follower.close()

    def _say(self, word: Payload) -> None:
        """Durable, and in this process's own view, when it returns."""
        seen = threading.Event()
        with self._changed:
            self._awaited.append((word, seen))
        try:
            announce(self._broker, [word], self._clock.now_ms(), topic=ACCESS)
            if not seen.wait(_SEEN_S):
                raise Unavailable(f"{ACCESS.name} does not come back from the broker", code="broker_unavailable")
        finally:
            with self._changed:
                self._awaited.remove((word, seen))

    def _read_all(self) -> None:
        # A bound, so that a broker that answers without end does not hold the start.
        for _ in range(_PATIENCE):
            if not self._follower.behind:
                return
            self._receive(self._follower.poll(1000, 1.0))
        raise Unavailable(f"{ACCESS.name} cannot be read to its end", code="broker_unavailable")

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._receive(self._follower.poll(1000, _POLL_S))

    def _ask(self) -> None:
        """A follower is silent both when nothing happens and when the cluster is away."""
        away = False
        while not self._stop.wait(self._ask_s):
            try:
                self._broker.ensure([ACCESS.spec(1)])
            except StageError as error:
                if not away:
                    _log.warning("rights are those of before, as the cluster does not answer (%s)", error.code)
                away = True
            else:
                self._heard_s, away = self._clock.monotonic_s(), False

    def _receive(self, records: Iterable[Record]) -> None:
        words = [word for record in records if (word := self._word(record)) is not None]
        for word in words:
            self._fold(word)
        if words:
            self._register = AccessRegister(self._records.values())
        # After the register is new: who waited finds their own change in it.
        with self._changed:
            for word, seen in self._awaited:
                if word in words:
                    seen.set()

    def _word(self, record: Record) -> Payload | None:
        try:
            return self._decoder.decode(record).data
        # Another release may write what this one does not know.
        except BadEvent:
            return None

    def _is_for(self, word: AccessRecorded) -> bool:
        """Whether what it replaces is still there: a key that was revoked meanwhile must not come back."""
        if word.instead_of is None:
            return True
        there = self._records.get(word.name)
        return there is not None and _plain(there) == word.instead_of

    def _fold(self, word: Payload) -> None:
        if isinstance(word, PepperNamed):
            self._fingerprint = self._fingerprint or word.fingerprint
        elif isinstance(word, AccessTaken):
            self._records.pop(word.name, None)
        elif isinstance(word, AccessRecorded) and self._is_for(word):
            # The newest counts: what it replaces is over, even where this release cannot read it.
            self._records.pop(word.name, None)
            if (record := _record(word)) is not None:
                self._records[word.name] = record


def _plain(record: Team | Grant | ApiKey) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude_none=True)


def _record(word: AccessRecorded) -> Team | Grant | ApiKey | None:
    try:
        found = parsed(json.dumps(word.record).encode())
    except BadRequest:
        found = None
    # Under another name it could not be taken away again.
    if found is None or found.key != word.name:
        _log.warning("a record of access is not understood and gives nobody anything (invalid_access_record)")
        return None
    return found
