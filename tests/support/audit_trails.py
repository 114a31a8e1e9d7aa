"""Audit trails with something in them, and a target that keeps what it takes."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sinks.siem.target import AuditDelivery
from stream.audit.checkpoint import SigningKey
from stream.audit.files import event_files
from stream.audit.journal import Journal
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import Recorder
from stream.clock import ManualClock
from stream.errors import Unavailable

KEY = SigningKey("example.com/audit", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ANA, HOST = Actor("ana", ActorKind.PERSON), Origin(ip="192.0.2.7")


class Trail:
    """Accesses of two tenants, a day apart."""

    def __init__(self, directory: Path, file_bytes: int = 1 << 20) -> None:
        self.directory = directory
        self.clock = ManualClock(1_700_000_000_000)
        self._journal = Journal(directory, KEY, file_bytes=file_bytes)

    def add(self, *accesses: tuple[Activity, str | None]) -> None:
        """Two events each."""
        self._journal.open()
        recorder = Recorder(self._journal, self.clock, "0.1.0")
        for activity, tenant in accesses:
            with recorder.access(activity, AccessSubject("search", tenant), ANA, HOST):
                self.clock.advance(1)
        self._journal.checkpoint()
        self._journal.close()

    def uids(self) -> list[str]:
        lines = [line for path in event_files(self.directory) for line in path.read_bytes().splitlines()[1:]]
        return [json.loads(line)["metadata"]["uid"] for line in lines]


class KeptTarget:
    """A target in memory. `refusing`: how many deliveries it refuses, which it may have taken nevertheless."""

    def __init__(self, refusing: int = 0, *, takes: bool = False) -> None:
        self.refusing = refusing
        self._takes = takes
        self.deliveries: list[AuditDelivery] = []

    def deliver(self, delivery: AuditDelivery) -> None:
        if self.refusing == 0 or self._takes:
            self.deliveries.append(delivery)
        if self.refusing:
            self.refusing -= 1
            raise Unavailable("it is away", code="siem_unavailable")

    def close(self) -> None:
        """Nothing is open."""

    def uids(self) -> list[str]:
        return [event["metadata"]["uid"] for delivery in self.deliveries for event in delivery.events]
