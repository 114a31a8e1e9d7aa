"""What upkeep has made of a table's fragments, as the table's own log tells: rows that lie elsewhere are the same."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from sinks.query.newer_matches import FragmentKey

_MOST_COMMITS = 64
"""So many are looked at, at 0.1 ms each."""


@dataclass(frozen=True, slots=True)
class FormerRows:
    """Rows [start, stop) of those that lived in a fragment."""

    fragment: FragmentKey
    start: int
    stop: int


def origins(table: Any, since: int) -> dict[tuple[str, ...], list[FormerRows]]:
    """By the files of a fragment that was written anew after version `since`: where its rows lay, in their order. What
    the log does not tell any more is left out.
    """
    found: dict[tuple[str, ...], list[FormerRows]] = {}
    for version in range(max(since, table.version - _MOST_COMMITS) + 1, table.version + 1):
        for group in _groups(table, version):
            found.update(_origins_of(list(group.old_fragments), list(group.new_fragments)))
    return found


def _groups(table: Any, version: int) -> Iterable[Any]:
    import lance

    try:
        transaction = table.read_transaction(version)
    except (OSError, ValueError, RuntimeError):
        return ()  # its version has gone
    except TypeError:
        return ()  # pylance cannot make its own class where parts of indexes were rewritten too
    operation = None if transaction is None else transaction.operation
    return operation.groups if isinstance(operation, lance.LanceOperation.Rewrite) else ()


def _origins_of(old: list[Any], new: list[Any]) -> Iterator[tuple[tuple[str, ...], list[FormerRows]]]:
    """Fragments are joined, and cut anew, in the order of their rows; deleted ones are left out."""
    lain = list(accumulate((item.physical_rows - item.num_deletions for item in old), initial=0))
    lie = list(accumulate((item.physical_rows for item in new), initial=0))
    if lain[-1] != lie[-1]:
        return
    for item, (first, last) in zip(new, pairwise(lie), strict=True):
        cuts = [(max(first, start), min(last, stop), start) for start, stop in pairwise(lain)]
        yield (
            _files(item),
            [
                FormerRows((_files(one), one.num_deletions), start - begin, stop - begin)
                for one, (start, stop, begin) in zip(old, cuts, strict=True)
                if start < stop
            ],
        )


def _files(fragment: Any) -> tuple[str, ...]:
    return tuple(file.path for file in fragment.files)
