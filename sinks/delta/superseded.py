"""What the writer of a Delta table knows of its superseded files (pure): which may be removed, and when all files are
due to be looked at. A look costs as much as there are files, so it comes after as many commits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sinks.delta.data_files import DataFile

_COMMITS_A_LOOK = 400
_COMMITS_A_CHECKPOINT = 48
_FILES_A_COMMIT = 8
_MOST_ON_DISK = 1.5
"""Bytes of all files by those of the newest version. Files as Arrow holds them are a fifth smaller."""


@dataclass(slots=True)
class SupersededFiles:
    """Files that commits put others in place of, since the table was read; by path, with when that was. `kept_ms`: how
    long they stay for readers that have begun.
    """

    kept_ms: int
    _since: dict[str, tuple[int, int]] = field(default_factory=dict)
    _looked: bool = False
    _commits: int = 0
    _commits_of_log: int = 0

    def commit(self, gone: Iterable[DataFile], now_ms: int) -> None:
        """A commit put others in place of these."""
        self._commits += 1
        self._commits_of_log += 1
        self._since.update((file.path, (now_ms, file.size_bytes)) for file in gone)

    def look_due(self, files: int) -> bool:
        """Whether a table of so many files is to be looked at: the first time, as what was superseded before is not
        known here, and now and then, as killed writers and failed commits leave files that no commit knows.
        """
        return not self._looked or self._commits >= max(_COMMITS_A_LOOK, files)

    def looked(self, left: Iterable[str], size_bytes: int, now_ms: int) -> None:
        """Such files are left of before, each of about this size."""
        self._looked, self._commits = True, 0
        for path in left:
            self._since.setdefault(path, (now_ms, size_bytes))

    def checkpoint_due(self, files: int) -> bool:
        """Whoever opens the table reads all commits since the last one, which is as long as the list of files."""
        due = self._commits_of_log >= max(_COMMITS_A_CHECKPOINT, files // _FILES_A_COMMIT)
        if due:
            self._commits_of_log = 0
        return due

    def taken(self, live_bytes: int, now_ms: int) -> list[str]:
        """Files that may be removed, which are forgotten: such as no reader of the last minutes can be using, and all
        where they take more room than half of the table. Who uses one then asks again.
        """
        crowded = self.crowded(live_bytes, sum(size for _, size in self._since.values()))
        gone = [path for path, (since, _) in self._since.items() if crowded or now_ms - since >= self.kept_ms]
        for path in gone:
            del self._since[path]
        return gone

    @staticmethod
    def crowded(live_bytes: int, superseded_bytes: int) -> bool:
        return live_bytes + superseded_bytes > _MOST_ON_DISK * live_bytes
