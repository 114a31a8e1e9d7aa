"""A disk that forgets what was not synced: what a power cut leaves of a folder, at any instant between two syncs."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sinks.durability.durable_store import Disk


class Unsynced(Enum):
    """What becomes of files that were not synced. A system may write, or remove, any of them before it is asked."""

    LOST = "lost"
    TORN = "torn"  # their names are there and hold nothing, and what was removed is gone
    NEWS_ONLY = "news only"  # of a table only what names its newest version


@dataclass(frozen=True, slots=True)
class _Synced:
    path: Path
    held: bytes | Mapping[Path, bool]  # of a file; of a folder what it names, and whether that is a folder
    live: Mapping[Path, bytes]  # every file of then, whether synced or not


class ForgetfulDisk:
    """Keeps what files held, and folders named, whenever one was synced. Nothing is synced for real."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[_Synced] = []
        self._known: dict[Path, tuple[int, bytes]] = {}
        self._lock = threading.Lock()

    def disk(self, boot: str = "before") -> Disk:
        return Disk(sync=self.sync, boot=lambda: boot)

    def sync(self, path: Path) -> None:
        with self._lock:
            if path.is_dir():
                self.calls.append(_Synced(path, {each: each.is_dir() for each in path.iterdir()}, self._live()))
            elif path.exists():
                self.calls.append(_Synced(path, path.read_bytes(), self._live()))

    def leave(self, target: Path, calls: int, unsynced: Unsynced) -> None:
        """Make `target` what a power cut after so many syncs leaves."""
        held = {call.path: call.held for call in self.calls[:calls]}
        live = self.calls[calls - 1].live if calls else {}
        files = _named(self.root, held)
        files |= _KEPT[unsynced](files, live)
        if unsynced is Unsynced.TORN:
            files = {path: content for path, content in files.items() if path in live}
        for path, content in files.items():
            place = target / path.relative_to(self.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

    def _live(self) -> dict[Path, bytes]:
        found: dict[Path, bytes] = {}
        for folder, _, names in os.walk(self.root):
            for path in (Path(folder, name) for name in names):
                try:
                    changed = path.stat().st_mtime_ns
                    if self._known.get(path, (0, b""))[0] != changed:
                        self._known[path] = changed, path.read_bytes()
                except FileNotFoundError:  # staged, or cleaned up meanwhile
                    continue
                found[path] = self._known[path][1]
        return found


Files = Mapping[Path, bytes]


def _nothing(files: Files, live: Files) -> Files:
    return {}


def _names(files: Files, live: Files) -> Files:
    return {path: b"" for path in live if path not in files}


def _news(files: Files, live: Files) -> Files:
    return {path: live[path] for path in live if path not in files and path.parent.name in ("_versions", "_delta_log")}


_KEPT: Mapping[Unsynced, Callable[[Files, Files], Files]] = {
    Unsynced.LOST: _nothing,
    Unsynced.TORN: _names,
    Unsynced.NEWS_ONLY: _news,
}


def _named(folder: Path, held: Mapping[Path, bytes | Mapping[Path, bool]]) -> dict[Path, bytes]:
    """Files whose name, and those of all folders above, were synced, with what was synced of them."""
    found: dict[Path, bytes] = {}
    named = held.get(folder, {})
    assert not isinstance(named, bytes)
    for path, is_folder in named.items():
        content = held.get(path, b"")
        if is_folder:
            found |= _named(path, held)
        elif isinstance(content, bytes):
            found[path] = content
    return found
