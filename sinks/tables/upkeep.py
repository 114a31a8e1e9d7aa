"""Upkeep of one Lance table by `pylance`: how large a fragment grows, which ones are joined, and when deleted rows go.

Every commit may come beside it. One that changes rows would conflict with fragments that are being joined: where that
takes short it waits (`exclusive`); where it takes long, it is they that are given up and joined the next time.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from sinks.location import Location
from sinks.tables import index_parts, joining, memory, vector_index
from sinks.tables.upkeep_policy import DEFAULT_POLICY, Fragment, UpkeepPolicy
from sinks.tables.vector_index import VectorIndexPolicy

VERSIONS_KEPT = timedelta(seconds=15)
"""How long a reader may use a version after another has come; then it opens the table anew. Every look for the newest
version lists them all, so many versions slow commits down."""
_CACHE_BYTES = 32 << 20
_MANY_DELETED = 0.1
_VALUES = 8_192

Exclusive = AbstractContextManager[Any]


def batches(table_at: Location, rows: int) -> Iterator[pa.Table]:
    """All rows of the newest version, some at a time; few are in memory."""
    few = {"batch_size": rows, "batch_readahead": 1, "fragment_readahead": 1}
    for batch in _opened(table_at).scanner(**few).to_batches():
        yield pa.Table.from_batches([batch])


def column(table_at: Location, name: str) -> tuple[int, Iterator[pa.Array]]:
    """How many rows the newest version has, and their values, some at a time."""
    table = _opened(table_at)
    few = {"batch_size": _VALUES, "batch_readahead": 1, "fragment_readahead": 1}
    return table.count_rows(), (batch[name] for batch in table.scanner(columns=[name], **few).to_batches())


def tend(
    table_at: Location,
    exclusive: Exclusive,
    policy: UpkeepPolicy = DEFAULT_POLICY,
    vectors: VectorIndexPolicy = vector_index.DEFAULT_POLICY,
    shared: Any | None = None,
) -> None:
    """Do what is due, a small share of what was written since the last time."""
    table = _opened(table_at, shared)
    found = index_parts.fragments_of(table)
    _join(table, table_at, exclusive, found, policy)
    if policy.index_due(found):
        _grow_indexes(table, policy)
        # Those that have come together in a part, while it is small.
        _join(table, table_at, exclusive, index_parts.fragments_of(table), policy)
    # Last: what is joined before need not be rewritten.
    if any(vector_index.tend(table, vectors).values()):
        memory.give_back()


def optimize(
    table_at: Location,
    exclusive: Exclusive,
    policy: UpkeepPolicy = DEFAULT_POLICY,
    vectors: VectorIndexPolicy = vector_index.DEFAULT_POLICY,
) -> None:
    """Join what is small and bring every index up to date, due or not. Nobody commits meanwhile."""
    table = _opened(table_at)
    with exclusive:
        joining.join(table, _all(table), policy.fragment_rows, _MANY_DELETED)
    policy = replace(policy, least_rows=1)
    _grow_indexes(table, policy)
    with exclusive:
        for part in policy.joinings(index_parts.fragments_of(table)):
            joining.join(table, part.fragment_ids, part.target_rows, policy.deleted)
    vector_index.tend(table, vectors)


def materialize_deletions(table_at: Location, exclusive: Exclusive, policy: UpkeepPolicy = DEFAULT_POLICY) -> None:
    """Rewrite every fragment that has a deleted row, and all parts of indexes. The old files stay with old versions."""
    table = _opened(table_at)
    with exclusive:
        joining.join(table, _all(table), policy.fragment_rows, 0.0)
    # Anew, not rewritten: words of deleted rows would stay, and so would their vectors.
    index_parts.rebuild(table, policy.whole(index_parts.fragments_of(table)))
    vector_index.rebuild(table)


def index_words(table_at: Location, column: str) -> None:
    """Build the full-text index of a column, anew where there is one."""
    _opened(table_at).create_scalar_index(column, "INVERTED", name=f"{column}_idx", replace=True)


def drop_versions(table_at: Location, *, older_than: timedelta, unverified: bool = False) -> None:
    """Remove old versions with their files, once what took their place is durable. `unverified`: also what a killed
    process left; nobody else may write. Nobody builds a part of an index meanwhile.
    """
    _opened(table_at).cleanup_old_versions(older_than=older_than, delete_unverified=unverified)
    if table_at.path is not None:
        _remove_empty_folders(table_at.path / index_parts.FOLDER)


def _remove_empty_folders(parts: Path) -> None:
    """Lance leaves a folder for each part of a full-text index that went, and every sync of the writer looks at all."""
    for folder, _, files in os.walk(parts, topdown=False):
        # It fails for one that holds another that is not empty.
        if not files and Path(folder) != parts:
            with suppress(OSError):
                Path(folder).rmdir()


def newest(table_at: Location, shared: Any) -> int:
    """The number of the newest version."""
    return int(opened(table_at, shared).version)


def derive(
    table_at: Location, schema: pa.Schema, columns: Callable[[pa.RecordBatch], pa.RecordBatch], read: Sequence[str]
) -> None:
    """Add columns of `schema`, made from batches of the columns `read`, in one commit."""
    import lance

    _opened(table_at).add_columns(lance.batch_udf(output_schema=schema)(columns), read_columns=list(read))


def fragments(table_at: Location) -> list[Fragment]:
    """The table's fragments in the order of their rows."""
    return index_parts.fragments_of(_opened(table_at))


def _grow_indexes(table: Any, policy: UpkeepPolicy) -> None:
    """Bring those up to date that are not of vectors, by parts within bounds: this costs the same at any size."""
    if groups := policy.new_parts(index_parts.fragments_of(table)):
        index_parts.build(table, groups)


def _join(
    table: Any, table_at: Location, exclusive: Exclusive, found: Sequence[Fragment], policy: UpkeepPolicy
) -> None:
    vectors = bool(index_parts.vector_columns(table))
    for part in policy.joinings(found):
        table.checkout_latest()
        if policy.is_long(part, found, vectors=vectors):
            joining.join_beside(table, table_at, part.fragment_ids, part.target_rows, policy.deleted)
        else:
            # For each part by itself: a commit that changes rows waits for one and not for all.
            with exclusive:
                table.checkout_latest()
                joining.join(table, part.fragment_ids, part.target_rows, policy.deleted)


def _all(table: Any) -> list[int]:
    return [item.fragment_id for item in table.get_fragments()]


def session(index_bytes: int, metadata_bytes: int) -> Any:
    """What openers of tables keep of indexes and descriptions of files together."""
    import lance

    return lance.Session(  # type: ignore[attr-defined]  # its types do not export it
        index_cache_size_bytes=index_bytes, metadata_cache_size_bytes=metadata_bytes
    )


def created(table_at: Location, schema: pa.Schema, shared: Any) -> Any:
    """A new table without rows. Another process may make it at the same time, and then it is that one's."""
    import lance

    try:
        return lance.write_dataset(schema.empty_table(), table_at.uri, session=shared, storage_options=table_at.options)
    except OSError as error:
        if "already exists" not in str(error):
            raise
        return opened(table_at, shared)


def drop(table_at: Location) -> None:
    """Remove a table with its files."""
    import lance

    lance.LanceDataset.drop(table_at.uri, storage_options=table_at.options)


def opened(table_at: Location, shared: Any) -> Any:
    """The table at its newest version."""
    import lance

    return lance.dataset(table_at.uri, session=shared, storage_options=table_at.options)


def _opened(table_at: Location, shared: Any | None = None) -> Any:
    return opened(table_at, shared or session(_CACHE_BYTES, _CACHE_BYTES))
