"""The register of tenants: a file of the state directory, or the topic `tenants` of a cluster."""

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from stream.broker.contract import Broker, Record
from stream.errors import BadEvent, Fatal, Unavailable
from stream.events.tenants import TenantRegistered
from stream.files import read_small, replace_file
from stream.topology.codec import EventDecoder
from stream.topology.tenants import Tenants
from stream.topology.topics import TENANTS

TENANTS_FILE = "tenants.json"
WATCH_S = 0.5
# The topic has one small record for each change: this reads all of it.
_ALL = 1_000_000
_PATIENCE = 30
_LIST = TypeAdapter(list[TenantRegistered])


def read_tenants(state_dir: Path) -> list[TenantRegistered]:
    """None where there is no file. Raises `Fatal` (`tenants_unreadable`): without its limits no tenant may publish."""
    path = state_dir / TENANTS_FILE
    try:
        return _LIST.validate_json(read_small(path, most_bytes=16 << 20))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no list of tenants"
        if isinstance(error, ValidationError):
            why = f"{'.'.join(map(str, error.errors()[0]['loc']))} is not valid"
        raise Fatal(
            f"the register of tenants {path} cannot be read ({why}): restore it, or remove it and add the tenants"
            " again with `rushes tenants add`",
            code="tenants_unreadable",
        ) from None


def write_tenants(state_dir: Path, tenants: Iterable[TenantRegistered]) -> None:
    """Whole or not at all. The caller holds the state lock. Raises `Fatal` (`state_unwritable`)."""
    listed = [each.model_dump(mode="json") for each in sorted(tenants, key=lambda each: each.tenant)]
    try:
        replace_file(state_dir / TENANTS_FILE, json.dumps(listed, indent=1) + "\n")
    except OSError as error:
        raise Fatal(f"{state_dir} cannot be written ({error.strerror}): make room", code="state_unwritable") from None


class TenantsFile:
    """As the file of the state directory says at each look. Thread-safe."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._read: tuple[tuple[int, int, int] | None, Mapping[str, TenantRegistered]] = (None, {})

    @property
    def now(self) -> Mapping[str, TenantRegistered]:
        """Raises `Fatal` (`tenants_unreadable`)."""
        # Before the file is read: a change in between shows at the next look.
        stamp = self._stamp()
        if stamp != self._read[0]:
            self._read = stamp, Tenants(read_tenants(self._state_dir)).now
        return self._read[1]

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = (self._state_dir / TENANTS_FILE).stat()
        except OSError:
            # That it is there and cannot be read shows where it is read.
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


class TenantRegister:
    """Keeps `tenants` as the topic says, which exists. `close` it."""

    def __init__(self, broker: Broker, tenants: Tenants) -> None:
        self._tenants = tenants
        self._decoder = EventDecoder([TENANTS])
        self._follower = broker.follow(TENANTS.name, _ALL)

    def read(self) -> None:
        """To the end of the topic. Raises `Unavailable`."""
        for _ in range(_PATIENCE):
            if not self._follower.behind:
                return
            self._receive(self._follower.poll(1000, 1.0))
        raise Unavailable(f"{TENANTS.name} cannot be read to its end", code="broker_unavailable")

    def watch(self, stop: threading.Event) -> None:
        while not stop.wait(WATCH_S):
            # Does not wait for records, so that `stop` is seen at once.
            self._receive(self._follower.poll(1000, 0.0))

    def close(self) -> None:
        self._follower.close()

    def _receive(self, records: Iterable[Record]) -> None:
        for record in records:
            try:
                self._tenants.received(self._decoder.decode(record).data)
            # Another release may write what this one does not know.
            except BadEvent:
                continue


def whole_register(broker: Broker) -> Tenants:
    """As the topic, which exists, says now. Raises `Unavailable`."""
    found = Tenants()
    register = TenantRegister(broker, found)
    try:
        register.read()
    finally:
        register.close()
    return found


class _Counting(Broker, Protocol):
    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]: ...


def registered_tenants(broker: _Counting) -> list[TenantRegistered]:
    """Those of a deployment, by name; none where nobody has made the topic. Raises `Unavailable`."""
    if TENANTS.name not in broker.partition_counts([TENANTS.name]):
        return []
    return sorted(whole_register(broker).now.values(), key=lambda each: each.tenant)


class TenantsTopic:
    """As the topic of a deployment on a cluster says; a change is known within a second or two. Thread-safe. Raises
    `Unavailable` where the topic cannot be read. `close` it.
    """

    def __init__(self, broker: Broker) -> None:
        # Or a cluster without a tenant would have nothing to follow.
        broker.ensure([TENANTS.spec(1)])
        self._known = Tenants()
        self._register = TenantRegister(broker, self._known)
        self._register.read()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._register.watch, args=(self._stop,), name="tenants", daemon=True)
        self._thread.start()

    @property
    def now(self) -> Mapping[str, TenantRegistered]:
        """Raises `Unavailable` once changes do not come any more: sources that were taken away would live on here."""
        if not self._thread.is_alive():
            raise Unavailable(
                f"{TENANTS.name} is not read any more: start the process again", code="broker_unavailable"
            )
        return self._known.now

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._register.close()
