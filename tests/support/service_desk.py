"""A service over stores of two tenants, answering on the loopback, with keys by name."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from sinks.location import Location
from stream.access.actions import AccessRole
from stream.access.api_keys import digest_of, new_key
from stream.access.records import ApiKey, Grant
from stream.access.register_file import RegisterFile
from stream.audit.files import event_files
from stream.clock import ManualClock
from stream.service.server import ServiceOptions, composed, listening, serve
from stream.sessions.background import BackgroundWork, Done, NewFootage

NOW_MS = 1_800_000_000_000
TENANTS = ("acme", "globex")


class TakenWork:
    """Takes whatever is to be processed again, and never ends with it."""

    taken: tuple[str, ...] = ()
    published: tuple[NewFootage, ...] = ()

    def publish(self, publication: NewFootage, done: Done) -> None:
        self.published += (publication,)

    def replay(self, letter_ids: Sequence[str]) -> None:
        self.taken += tuple(letter_ids)

    def replaying(self) -> frozenset[str]:
        return frozenset(self.taken)

    def trouble(self) -> str | None:
        return None

    def before_index(self) -> None:
        return None


@dataclass
class Desk:
    """A service, its register, and keys by name."""

    client: httpx.Client
    register: RegisterFile
    trail: Path
    keys: dict[str, str]
    clock: ManualClock

    def get(self, path: str, key: str | None = "viewer", **query: Any) -> Any:
        headers = {} if key is None else {"authorization": f"Bearer {self.keys.get(key, key)}"}
        return self.client.get(path, params=query or None, headers=headers)

    def ask(self, method: str, path: str, key: str | None = "viewer", **rest: Any) -> httpx.Response:
        """Any request, with what `httpx` takes in `rest`."""
        headers = {} if key is None else {"authorization": f"Bearer {self.keys.get(key, key)}"}
        return self.client.request(method, path, headers=headers | rest.pop("headers", {}), **rest)

    def events(self) -> list[dict[str, Any]]:
        lines = [line for path in event_files(self.trail) for line in path.read_bytes().splitlines()[1:]]
        return [json.loads(line) for line in lines]

    def give(
        self, name: str, role: AccessRole, tenant: str = "acme", project: str | None = None, days: int = 1
    ) -> None:
        """A program of this name with one role, and a key for it."""
        owner = name.replace(" ", "-")
        self.register.put(
            Grant(
                tenant=tenant,
                project=project,
                role=role,
                holder=f"service:{tenant}/{owner}",
                given_by="os:root",
                given_at_ms=NOW_MS,
            )
        )
        self.keys[name] = new_key()
        self.register.put(
            ApiKey(
                key_id=owner,
                tenant=tenant,
                owner=owner,
                digest=digest_of(self.keys[name], self.register.pepper()),
                until_ms=NOW_MS + days * 86_400_000,
                made_by="os:root",
                made_at_ms=NOW_MS,
            )
        )


def two_tenants(root: Path) -> Path:
    """The state directory of stores with a clip of each tenant."""
    clips = [(write_clip(root / f"{tenant}.mp4", seconds=3, fps=5, scenes=[3.0]), tenant) for tenant in TENANTS]
    # One run with one child: what starts costs more than the work on such clips.
    settings = light_settings(root / "state", root, decode_children=1)
    run_events(settings, [published(clip.path, tenant=tenant) for clip, tenant in clips])
    return root / "state"


@contextmanager
def opened(
    stores: Path,
    own: Path,
    host: str = "127.0.0.1",
    now_ms: int = NOW_MS,
    background: BackgroundWork | None = None,
    upload_place: Location | None = None,
    **options: Any,
) -> Iterator[Desk]:
    """A service over `stores` that keeps what is its own in `own`, and answers at a free port of the loopback. Whole
    uploads lie at `upload_place`, in `own` by default.
    """
    clock = ManualClock(now_ms)
    index, parquet = Location.of(stores / "lancedb"), Location.of(stores / "parquet")
    settings = replace(light_settings(own, stores.parent, uploads=upload_place), index=index, parquet=parquet)
    chosen = ServiceOptions(own / "audit", host, **options)
    local = listening(replace(chosen, host="127.0.0.1", port=0))
    with local as at, composed(settings, chosen, clock, "0.1.0", background=background) as app:
        stop = threading.Event()
        proxies = {"proxies": () if chosen.public_url is None else ("127.0.0.1",)}
        thread = threading.Thread(target=serve, args=(app, at, stop), kwargs=proxies)
        thread.start()
        try:
            # Nothing to verify without TLS, and reading the authorities costs as much as a request.
            with httpx.Client(base_url=f"http://127.0.0.1:{at.getsockname()[1]}", timeout=60, verify=False) as client:
                yield Desk(client, RegisterFile(own), chosen.audit, {}, clock)
        finally:
            # Also after a failed test: the thread would keep the run from ending.
            stop.set()
            thread.join(60)
