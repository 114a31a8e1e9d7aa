"""Which processes wait for which shard of a store: a mark for each of them, which its holder looks for."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from sinks.location import Location
from sinks.sharded.marks import marks_at
from stream.clock import Clock

FOLDER = "wanted"
EXPIRY_S = 30.0
_NAME = re.compile(r"(\d{4})-(\d{15})-([0-9a-f]{16})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """Who asks for a shard, and since when."""

    since_ms: int
    who: str


class Requests:
    """The requests of this process and of others for shards of the store under `root`. A request that was not renewed
    for `EXPIRY_S` is void: its process has ended or hangs.
    """

    def __init__(self, root: Location, clock: Clock) -> None:
        self._marks = marks_at(root.child(FOLDER), clock)
        self._clock = clock
        self._who = secrets.token_hex(8)
        self._asked: dict[int, str] = {}

    def ask(self, shard: int) -> None:
        """Ask for a shard, or renew the request. Raises `OSError`."""
        name = self._asked.setdefault(shard, f"{shard:04d}-{self._clock.now_ms():015d}-{self._who}")
        self._marks.renew(name)

    def withdraw(self, shard: int) -> None:
        """Idempotent."""
        if (name := self._asked.pop(shard, None)) is not None:
            self._marks.remove(name)

    def others(self) -> dict[int, Request]:
        """By shard, the oldest request of another process."""
        found: dict[int, Request] = {}
        for shard, request in self._valid():
            if request.who != self._who:
                # Who asked first is served first (ADR 0043).
                found[shard] = min(request, found.get(shard, request))
        return found

    def first(self, shard: int) -> bool:
        """Whether no other process asked for the shard before this one did."""
        other = self.others().get(shard)
        mine = _parsed(self._asked.get(shard, ""))
        return other is None or (mine is not None and mine[1] < other)

    def _valid(self) -> Iterator[tuple[int, Request]]:
        """Removes what is void."""
        for name, renewed_ms in self._marks.renewed_ms().items():
            if (parsed := _parsed(name)) is None:
                continue
            if self._clock.now_ms() - renewed_ms <= 1000 * EXPIRY_S:
                yield parsed
            else:
                self._marks.remove(name)


def _parsed(name: str) -> tuple[int, Request] | None:
    match = _NAME.fullmatch(name)
    return (int(match[1]), Request(int(match[2]), match[3])) if match else None
