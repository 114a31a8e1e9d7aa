"""What the one writer of a Delta table knows of it: read once, and kept right by the writer's own commits."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sinks.delta.data_files import DataFile, Partition, columns_of, files_of
from sinks.delta.placement import VersionTime
from sinks.schema import day_of


@dataclass(slots=True)
class KnownFiles:
    """Files of a table by partition and path, at `version`. `number`: the last one that a commit bore; 0 if none did.
    `schema` is what the files hold. What a change costs follows from it, not from how many files there are.
    """

    version: int
    number: int
    schema: pa.Schema
    _files: dict[Partition, dict[str, DataFile]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Any, application: str) -> "KnownFiles":
        """As the handle has it."""
        known = cls(table.version(), table.transaction_version(application) or 0, columns_of(table))
        known._add(files_of(table))
        return known

    def __iter__(self) -> Iterator[DataFile]:
        return (file for files in self._files.values() for file in files.values())

    def holding(self, times: Iterable[VersionTime]) -> list[DataFile]:
        """Files that may hold rows of these times: ids are digests, of which every file holds small and great ones."""
        by_partition: dict[Partition, set[int]] = {}
        for time in times:
            by_partition.setdefault(Partition(time.tenant, day_of(time.append_ms)), set()).add(time.append_ms)
        return [file for place, found in by_partition.items() for file in self._around(place, sorted(found))]

    def has(self, files: Iterable[DataFile]) -> bool:
        """Whether all of these are in the table still."""
        return all(file.path in self._files.get(file.partition, {}) for file in files)

    def changed(self, gone: Iterable[DataFile], come: Iterable[DataFile], number: int | None) -> None:
        """A commit has exchanged these."""
        self.version += 1
        self.number = self.number if number is None else number
        for file in gone:
            del self._files[file.partition][file.path]
        self._add(come)

    def _add(self, files: Iterable[DataFile]) -> None:
        for file in files:
            self._files.setdefault(file.partition, {})[file.path] = file

    def _around(self, place: Partition, times: Sequence[int]) -> Iterator[DataFile]:
        for file in self._files.get(place, {}).values():
            at = bisect_left(times, file.first_ms)
            if at < len(times) and times[at] <= file.last_ms:
                yield file
