"""Joins fragments of a Lance table: small ones become one, and worn ones lose the rows that were deleted."""

from collections.abc import Collection, Iterable
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from sinks.location import Location
from sinks.storage.objects import Objects
from sinks.tables import index_parts, memory
from sinks.tables.row_changes import is_conflict

if TYPE_CHECKING:
    from lance.optimize import CompactionOptions

_ROWS_AT_ONCE = 1_024
"""Of which memory holds several times as many: each with its picture and vectors."""


def join(table: Any, chosen: Collection[int], target_rows: int, deleted: float) -> None:
    """Join chosen fragments with chosen neighbours, and rewrite those of which a share `deleted` is gone. Nobody
    changes rows meanwhile.
    """
    table.optimize.compact_files(**_options(table, chosen, target_rows, deleted))
    table.checkout_latest()


def join_beside(table: Any, table_at: Location, chosen: Collection[int], target_rows: int, deleted: float) -> bool:
    """As `join`, beside commits that change rows. False, and nothing happens, where one has changed a chosen fragment
    before they were joined: then it comes again when they are due the next time.
    """
    from lance.optimize import Compaction

    options = _options(table, chosen, target_rows, deleted)
    before, parts = _state(table, chosen), index_parts.folders(table_at)
    made = [task.execute(table) for task in Compaction.plan(table, options).tasks]
    if made and _unchanged(table, before):
        try:
            Compaction.commit(table, made, options)
            made = []
        except (OSError, RuntimeError, ValueError) as error:
            if not is_conflict(error):
                raise
    table.checkout_latest()
    memory.give_back()
    if made:
        # Else they would lie there until nobody is at work.
        _remove(table_at, [file.path for item in made for fragment in item.new_fragments for file in fragment.files])
        _remove_parts(table, table_at, parts)
    return not made


def _options(table: Any, chosen: Collection[int], target_rows: int, deleted: float) -> "CompactionOptions":
    # Lance takes the fragments to leave alone, not those to join.
    others = {item.fragment_id for item in table.get_fragments()}.difference(chosen)
    return {
        "batch_size": _ROWS_AT_ONCE,
        "target_rows_per_fragment": target_rows,
        "materialize_deletions_threshold": deleted,
        "excluded_fragment_ids": sorted(others),
    }


def _unchanged(table: Any, before: dict[int, int]) -> bool:
    """Asked before the commit: one that fails has rewritten the parts of indexes, and Lance warns of it."""
    table.checkout_latest()
    return _state(table, before) == before


def _state(table: Any, numbers: Iterable[int]) -> dict[int, int]:
    """Rows of fragments that are there."""
    found = {number: table.get_fragment(number) for number in numbers}
    return {number: item.count_rows() for number, item in found.items() if item is not None}


def _remove(table_at: Location, names: Iterable[str]) -> None:
    for name in names:
        if table_at.path is not None:
            (table_at.path / "data" / name).unlink(missing_ok=True)
        else:
            Objects(table_at).remove(f"data/{name}")


def _remove_parts(table: Any, table_at: Location, before: set[str]) -> None:
    """Parts of indexes that were rewritten in vain: those that nobody names and that were not there before. In a
    directory, whose writer is alone: on an object store they could be what another holder of the lease builds.
    """
    if table_at.path is not None:
        for name in index_parts.folders(table_at) - before - index_parts.names(table):
            rmtree(table_at.path / index_parts.FOLDER / name)
