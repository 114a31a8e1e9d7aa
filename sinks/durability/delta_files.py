"""A Delta table on disk: a log of commits that names every file, whatever folder of a partition it lies in."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from urllib.parse import unquote

from sinks.durability.table_files import Listing, Position

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*parquet")
_HINT = "_last_checkpoint"


@dataclass(frozen=True, slots=True)
class DeltaFiles:
    folder: Path

    def look(self, listing: Listing, before: Listing) -> Position:
        """Folders of partitions, of which there may be many, are not listed: the new commits name the new files."""
        log = self.folder / LOG
        fresh = listing.look(log, before)
        names = listing.names(log)
        added = {path for name in fresh if _COMMIT.fullmatch(name) for path in self._added(log / name)}
        listing.unsynced += sorted(added | {folder for path in added for folder in self._folders(path)})
        if fresh:
            # The hint keeps its name when it changes, so no listing shows it as new.
            listing.unsynced += [log / _HINT, self.folder]
        return {"version": _newest(_COMMIT, names), "checkpoint": _newest(_CHECKPOINT, names)}

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
            try:
                added = json.loads(line).get("add")
            except (ValueError, AttributeError):
                continue
            if added is not None:
                yield self.folder / unquote(added["path"])

    def _folders(self, path: Path) -> Iterable[Path]:
        above = path.parents
        return above[: above.index(self.folder) + 1]


def _newest(kind: re.Pattern[str], names: Iterable[str]) -> int:
    return max((_number(kind, name) for name in names), default=-1)


def _number(kind: re.Pattern[str], name: str) -> int:
    found = kind.fullmatch(name)
    return int(found[1]) if found else -1
