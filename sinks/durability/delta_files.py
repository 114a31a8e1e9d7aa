"""A Delta table on disk: a log of commits that names every file, whatever folder of a partition it lies in."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from urllib.parse import unquote

from sinks.durability.table_files import Listing, LogSeen, Position

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*parquet")
_HINT = "_last_checkpoint"
_SIGN_BYTES = 16
"""An action says first which one it is."""


@dataclass(frozen=True, slots=True)
class DeltaFiles:
    folder: Path

    def look(self, listing: Listing, before: Listing) -> Position:
        """Folders of partitions, of which there may be many, are not listed: the new commits name the new files. Nor is
        the log, in which commits of minutes lie, unless it has another checkpoint.
        """
        log = self.folder / LOG
        hint, seen = _sign(log / _HINT), before.logs.get(log)
        if seen is None or hint != seen.hint:
            listed = listing.look(log, before)
            names = listing.names(log)
            version, checkpoint = _newest(_COMMIT, names), _newest(_CHECKPOINT, names)
            # Those that were found without a listing are synced.
            commits = [
                n for n in listed if _COMMIT.fullmatch(n) and (seen is None or _number(_COMMIT, n) > seen.version)
            ]
            listing.unsynced += [log / _HINT, self.folder] if listed else []
        else:
            commits = list(_following(log, seen.version))
            version, checkpoint = seen.version + len(commits), seen.checkpoint
            if log in before.folders:
                listing.folders[log] = before.folders[log]
            listing.unsynced += [log / name for name in commits] + ([log] if commits else [])
        added = {path for name in commits for path in self._added(log / name)}
        folders = seen.folders if seen else frozenset()
        fresh = {path.parent for path in added} - folders
        listing.unsynced += sorted(
            added | {path.parent for path in added} | {at for one in fresh for at in self._above(one)}
        )
        listing.logs[log] = LogSeen(version, checkpoint, hint, folders | fresh if fresh else folders)
        return {"version": version, "checkpoint": checkpoint}

    def roll_back(self, position: Position | None) -> Iterator[Path]:
        """Commits and checkpoints that came later go, and the files of those commits."""
        if position is None:
            rmtree(self.folder)
            yield self.folder.parent
            return
        log = self.folder / LOG
        # The newest first, so that a kill in between leaves a log without a gap.
        for path in sorted(log.iterdir(), reverse=True):
            if _number(_COMMIT, path.name) > position["version"]:
                # Before the commit, as it alone names them.
                for file in self._added(path):
                    file.unlink(missing_ok=True)
                path.unlink()
            elif _number(_CHECKPOINT, path.name) > position["checkpoint"]:
                path.unlink()
        # It may name a checkpoint that is gone. Readers do without it.
        (log / _HINT).unlink(missing_ok=True)
        yield log

    def _added(self, commit: Path) -> Iterator[Path]:
        """Files that a commit adds; of one that is cut off, those that can be read."""
        try:
            lines = commit.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            # What a commit tells of the ledger is long.
            if b'"add"' not in line[:_SIGN_BYTES]:
                continue
            try:
                added = json.loads(line).get("add")
            except (ValueError, AttributeError):
                continue
            if added is not None:
                yield self.folder / unquote(added["path"])

    def _above(self, folder: Path) -> Iterable[Path]:
        """Folders that are synced with a new one below them."""
        above = folder.parents
        return above[: above.index(self.folder) + 1] if folder != self.folder else ()


def _following(log: Path, version: int) -> Iterator[str]:
    """Names of the commits after this one: each has the next number."""
    while (log / (name := f"{(version := version + 1):020d}.json")).exists():
        yield name


def _sign(path: Path) -> tuple[int, ...]:
    """Another one whenever the file is replaced."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_ctime_ns, found.st_ino, found.st_size


def _newest(kind: re.Pattern[str], names: Iterable[str]) -> int:
    return max((_number(kind, name) for name in names), default=-1)


def _number(kind: re.Pattern[str], name: str) -> int:
    found = kind.fullmatch(name)
    return int(found[1]) if found else -1
