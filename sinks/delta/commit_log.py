"""Adds commits to the log of a Delta table: only actions for files and numbers of applications, and no look at what the
table holds. By the Delta protocol; `deltalake` reads the list of all files twice at each commit.
"""

import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sinks.location import Location
from sinks.storage.objects import Objects
from stream.clock import SystemClock
from stream.errors import Fatal

LOG = "_delta_log"
APPLICATION = "rushes"
"""Whose numbers commits bear."""
_ENGINE = "rushes"
_TOLD = "rushesLedger"
_COMMIT = re.compile(r"\d{20}\.json")
_STAGED = "_commit_{}.json.tmp"
_READER, _WRITER = 1, 2
"""Versions of the protocol that ask of a commit no more than this writer does."""

Action = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Number:
    """The last number of an application, as the table is to remember it."""

    application: str
    number: int


class CommitLog:
    """The log of the table at `table_at`. For one writer at a time; others are noticed and never overwritten."""

    def __init__(self, table_at: Location) -> None:
        self._table_at = table_at
        self._folder = table_at.path
        self._read: dict[int, tuple[int | None, Mapping[str, Any] | None]] = {}

    def add(
        self,
        version: int,
        actions: Sequence[Action],
        numbers: Iterable[Number] = (),
        told: Mapping[str, Any] | None = None,
    ) -> bool:
        """Make these the commit `version`, whole or not at all. False, and nothing happens, where there is another
        commit of that version. `told`: what `since` tells of it. Raises `OSError`, `Unavailable`.
        """
        said = {"timestamp": SystemClock().now_ms(), "operation": "WRITE", "operationParameters": {"mode": "Append"}}
        # The engine and a name of its own: by it a commit is known again after an answer was lost.
        extra = {} if told is None else {_TOLD: told}
        info = {**said, "engineInfo": _ENGINE, "txnId": str(uuid.uuid4()), **extra}
        lines: list[Action] = [{"commitInfo": info}, *actions]
        lines += [{"txn": {"appId": item.application, "version": item.number}} for item in numbers]
        content = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        name = f"{version:020d}.json"
        return self._add_object(name, content) if self._folder is None else self._add_file(name, content)

    def since(self, number: int) -> dict[int, Mapping[str, Any] | None]:
        """What commits told that bear a greater number of ours than this one, by number, in their order; None of one
        that told nothing. Those that were cleaned up are missing.
        """
        found: dict[int, tuple[int | None, Mapping[str, Any] | None]] = {}
        for version in sorted(self._versions(), reverse=True):
            found[version] = self._read.get(version) or self._reading(version)
            if (borne := found[version][0]) is not None and borne <= number:
                break
        # A reader asks again and again: what it has read does not change.
        self._read = found
        return {borne: told for _, (borne, told) in sorted(found.items()) if borne is not None and borne > number}

    def forget(self) -> None:
        """Commits may have been taken back: read them anew."""
        self._read = {}

    def _versions(self) -> Iterator[int]:
        names: list[str] = []
        if self._folder is None:
            names = [name.rpartition("/")[2] for name, _ in self._objects.sizes(LOG)]
        elif (self._folder / LOG).is_dir():
            names = os.listdir(self._folder / LOG)  # noqa: PTH208 - names alone, of hundreds
        yield from (int(name.removesuffix(".json")) for name in names if _COMMIT.fullmatch(name))

    def _reading(self, version: int) -> tuple[int | None, Mapping[str, Any] | None]:
        """The number of ours that a commit bears, and what it told."""
        borne, told = None, None
        for line in self._content(f"{LOG}/{version:020d}.json").splitlines():
            # The others are the files, of which there may be many.
            if line.startswith((b'{"commitInfo"', b'{"txn"')):
                said = json.loads(line)
                told = said.get("commitInfo", {}).get(_TOLD, told)
                if said.get("txn", {}).get("appId") == APPLICATION:
                    borne = said["txn"]["version"]
        return borne, told

    def _content(self, name: str) -> bytes:
        """Nothing where it was cleaned up meanwhile."""
        if self._folder is None:
            found = self._objects.get(name)
            return b"" if found is None else found.content
        with suppress(FileNotFoundError):
            return (self._folder / name).read_bytes()
        return b""

    def has(self, version: int) -> bool:
        """Whether the commit is there still. Where it was cleaned up, newer ones may be gone too: then a version that
        is not there is none that can be added.
        """
        name = f"{LOG}/{version:020d}.json"
        return self._objects.get(name) is not None if self._folder is None else (self._folder / name).exists()

    def drop_staged(self, before_ms: int) -> None:
        """Remove what killed writers had staged by then, ours and those of `deltalake`. On an object store there is
        nothing: a request makes a commit or none.
        """
        for staged in () if self._folder is None else (self._folder / LOG).glob(_STAGED.format("*")):
            # Another tool may be renaming it.
            with suppress(FileNotFoundError):
                if staged.stat().st_mtime_ns < before_ms * 1_000_000:
                    staged.unlink()

    def _add_file(self, name: str, content: bytes) -> bool:
        assert self._folder is not None
        log = self._folder / LOG
        # Not synced: the writer syncs all files of a batch at once (ADR 0042), and takes no `.tmp` for a commit.
        staged = log / _STAGED.format(uuid.uuid4())
        try:
            staged.write_bytes(content)
            # A link, as a rename replaces what is there.
            os.link(staged, log / name)
        except FileExistsError:
            return False
        finally:
            # On a full disk there may be a part of it, or nothing.
            staged.unlink(missing_ok=True)
        return True

    def _add_object(self, name: str, content: bytes) -> bool:
        if self._objects.create(f"{LOG}/{name}", content) is not None:
            return True
        # A request that was sent again after its answer was lost finds its own object there.
        found = self._objects.get(f"{LOG}/{name}")
        return found is not None and found.content == content

    @cached_property
    def _objects(self) -> Objects:
        return Objects(self._table_at)


def require_plain(table: Any, table_at: Location) -> None:
    """Raises `Fatal` (`table_features`) where the protocol of a Delta table asks more of a writer than this one does:
    what it wrote could break what another tool promised.
    """
    asked = table.protocol()
    if asked.min_reader_version > _READER or asked.min_writer_version > _WRITER:
        raise Fatal(
            f"the Delta table at {table_at} was given features by another tool (its protocol asks for reader version"
            f" {asked.min_reader_version} and writer version {asked.min_writer_version}; this release writes"
            f" {_READER} and {_WRITER}): restore the table from a backup, or move the store away and let"
            " `rushes verify --repair` make it anew",
            code="table_features",
        )
