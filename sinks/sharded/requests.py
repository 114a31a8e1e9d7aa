"""Which processes wait for which shard of a store: a small file for each of them, which its holder looks for."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sinks.location import Location
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
        self._folder = root.directory / FOLDER
        self._clock = clock
        self._who = secrets.token_hex(8)
        self._asked: dict[int, Path] = {}

    def ask(self, shard: int) -> None:
        """Ask for a shard, or renew the request. Raises `OSError`."""
        path = self._asked.get(shard)
        if path is None:
            self._folder.mkdir(exist_ok=True)
            path = self._folder / f"{shard:04d}-{self._clock.now_ms():015d}-{self._who}"
            self._asked[shard] = path
        path.touch()
        # By the clock that judges it, not by that of the file system.
        now_s = self._clock.now_ms() / 1000
        os.utime(path, (now_s, now_s))

    def withdraw(self, shard: int) -> None:
        """Idempotent."""
        if (path := self._asked.pop(shard, None)) is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def others(self) -> dict[int, Request]:
        """By shard, the oldest request of another process."""
        found: dict[int, Request] = {}
        for shard, request in self._valid():
            if request.who != self._who:
                found[shard] = min(request, found.get(shard, request))
        return found

    def first(self, shard: int) -> bool:
        """Whether no other process asked for the shard before this one did."""
        other = self.others().get(shard)
        path = self._asked.get(shard)
        mine = _parsed(path.name) if path is not None else None
        return other is None or (mine is not None and mine[1] < other)

    def _valid(self) -> Iterator[tuple[int, Request]]:
        """Removes what is void."""
        try:
            paths = list(self._folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return
        for path in paths:
            if (parsed := _parsed(path.name)) is None:
                continue
            # Withdrawn since the listing, it counts no longer.
            with suppress(FileNotFoundError):
                if self._clock.now_ms() / 1000 - path.stat().st_mtime <= EXPIRY_S:
                    yield parsed
                else:
                    path.unlink(missing_ok=True)


def _parsed(name: str) -> tuple[int, Request] | None:
    match = _NAME.fullmatch(name)
    return (int(match[1]), Request(int(match[2]), match[3])) if match else None
