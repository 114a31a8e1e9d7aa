"""The mark of a store: up to which version each table is synced, in two small files that take turns."""

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sinks.durability.table_files import Position
from stream.files import Sync


@dataclass(frozen=True, slots=True)
class Mark:
    """`boot` is the run of the machine that wrote it: files that were not synced may be lost or torn in another.
    `took_ns`: from the look at the tables to the writing of the mark.
    """

    boot: str
    tables: Mapping[str, Position]
    took_ns: int = field(default=0, compare=False)


class MarkFile:
    """`folder/name-0` and `-1`. One is overwritten while the other holds, so that a cut leaves the newest whole one."""

    def __init__(self, folder: Path, name: str) -> None:
        self._paths = [folder / f"{name}-{turn}" for turn in (0, 1)]
        self._serial: int | None = None

    def read(self) -> Mark | None:
        """None where there is none yet."""
        serial, mark = max((_read(path) for path in self._paths), key=lambda found: found[0])
        self._serial = serial
        return mark

    def looked_ns(self) -> int | None:
        """When the tables were looked at for the newest mark, by the file system's time; None where there is none."""
        mark = self.read()
        if mark is None or self._serial is None:
            return None
        return self._paths[self._serial % 2].stat().st_ctime_ns - mark.took_ns

    def write(self, mark: Mark, sync: Sync) -> None:
        """Durable when it returns. Raises `OSError`."""
        if self._serial is None:
            self.read()
        serial = (self._serial or 0) + 1
        path = self._paths[serial % 2]
        said = {"serial": serial, "boot": mark.boot, "tables": mark.tables, "took_ns": mark.took_ns}
        told = json.dumps(said).encode()
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"%08x %s\n" % (zlib.crc32(told), told))
            # What it held before may be longer.
            file.truncate()
        sync(path)
        if new:
            # A new name is durable only with its folder.
            sync(path.parent)
        self._serial = serial


def _read(path: Path) -> tuple[int, Mark | None]:
    # One that a power cut tore counts as none: the other one holds.
    with suppress(OSError, ValueError, KeyError):
        digest, _, told = path.read_bytes().partition(b" ")
        if int(digest, 16) == zlib.crc32(told.rstrip(b"\n")):
            found = json.loads(told)
            return found["serial"], Mark(found["boot"], found["tables"], found.get("took_ns", 0))
    return 0, None
