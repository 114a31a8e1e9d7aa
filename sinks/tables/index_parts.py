"""Parts of a table's indexes: which fragments lie in the same ones, and how a part is built anew from its rows.

Lance searches the parts of an index one by one (it calls them segments) and replaces those whose fragments a new part
covers whole.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sinks.location import Location
from sinks.tables.upkeep_policy import Fragment

FOLDER = "_indices"
"""Holds a folder for each part, which has its name."""
_KINDS = {"BTree": "BTREE", "Bitmap": "BITMAP", "LabelList": "LABEL_LIST", "Inverted": "INVERTED"}
"""What Lance calls the kind of an index when it is asked, and what when one is made."""


def fragments_of(table: Any) -> list[Fragment]:
    """The fragments of a Lance table in the order of their rows."""
    indexes = {index.name: [set(part.fragment_ids) for part in index.segments] for index in table.describe_indices()}
    lying = {
        number: at
        for at, numbers in enumerate(united(part for parts in indexes.values() for part in parts))
        for number in numbers
    }
    scalar = [set().union(*indexes[name]) for name in scalar_indexes(table)]
    return [
        Fragment(
            fragment_id=item.fragment_id,
            rows=item.physical_rows,
            deleted=item.num_deletions,
            part=lying.get(item.fragment_id),
            covered=all(item.fragment_id in cover for cover in scalar),
        )
        for item in table.get_fragments()
    ]


def united(groups: Iterable[Collection[int]]) -> list[set[int]]:
    """Groups that have a number in common become one (pure)."""
    found: list[set[int]] = []
    for group in groups:
        same = [held for held in found if not held.isdisjoint(group)]
        found = [held for held in found if held not in same]
        if group:
            found.append(set(group).union(*same))
    return found


def build(table: Any, groups: Sequence[Sequence[int]]) -> None:
    """One part a group of fragments in every index that is not of vectors, index by index. A group holds all fragments
    of the parts that it takes the place of. Commits may go on beside it.
    """
    for name, (column, kind) in scalar_indexes(table).items():
        held = {item.fragment_id for item in table.get_fragments()}
        # Those of which a commit deleted all rows are gone.
        left = [[number for number in group if number in held] for group in groups]
        # `replace`, or Lance refuses a name that is there. Nothing is replaced before the commit, and then these parts.
        made = [
            table.create_index_uncommitted(column, kind, name=name, fragment_ids=group, replace=True)
            for group in left
            if group
        ]
        table.commit_existing_index_segments(name, column, made)
        table.checkout_latest()


def rebuild(table: Any, groups: Sequence[Sequence[int]]) -> None:
    """As `build`, of groups that hold every fragment there is."""
    if groups:
        build(table, groups)
        return
    # Of a table without rows Lance keeps the last part.
    for name, (column, kind) in scalar_indexes(table).items():
        table.create_scalar_index(column, kind, name=name, replace=True)


def scalar_indexes(table: Any) -> dict[str, tuple[str, str]]:
    """Column and kind of the indexes that are not of vectors, by name."""
    vectors = set(vector_columns(table))
    found = {index.name: (index.field_names[0], index.index_type) for index in table.describe_indices()}
    return {name: (column, _KINDS[kind]) for name, (column, kind) in found.items() if column not in vectors}


def names(table: Any) -> set[str]:
    """Of all parts that a version has."""
    return {str(part.uuid) for index in table.describe_indices() for part in index.segments}


def folders(table_at: Location) -> set[str]:
    """Names of parts that lie in a directory, also of those that no version has; of an object store none."""
    folder = None if table_at.path is None else table_at.path / FOLDER
    return {path.name for path in folder.iterdir()} if folder is not None and folder.is_dir() else set()


def vector_columns(table: Any) -> list[str]:
    import pyarrow as pa

    return [field.name for field in table.schema if pa.types.is_fixed_size_list(field.type)]
