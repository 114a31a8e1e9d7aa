"""Upkeep of one Lance table by `pylance`, which exposes what `lancedb` does not: how large a fragment grows, which ones
are joined, and when deleted rows go.

Appends may be committed beside it. A deletion, an update or a merge would conflict with fragments that are being
joined: they hold `exclusive` of the table, and so does upkeep while it joins, a part at a time.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pyarrow as pa

from sinks.location import Location
from sinks.tables import vector_index
from sinks.tables.upkeep_policy import DEFAULT_POLICY, Fragment, Joining, UpkeepPolicy
from sinks.tables.vector_index import VectorIndexPolicy

VERSIONS_KEPT = timedelta(seconds=15)
"""How long a reader may use a version after another has come; then it opens the table anew. Every look for the newest
version lists them all, so many versions slow commits down."""
_CACHE_BYTES = 32 << 20
_MANY_DELETED = 0.1

Exclusive = AbstractContextManager[Any]


def batches(table_at: Location, rows: int) -> Iterator[pa.Table]:
    """All rows of the newest version, some at a time; few are in memory."""
    few = {"batch_size": rows, "batch_readahead": 1, "fragment_readahead": 1}
    for batch in _opened(table_at).scanner(**few).to_batches():
        yield pa.Table.from_batches([batch])


def tend(
    table_at: Location,
    exclusive: Exclusive,
    policy: UpkeepPolicy = DEFAULT_POLICY,
    vectors: VectorIndexPolicy = vector_index.DEFAULT_POLICY,
) -> None:
    """Do what is due, a small share of what was written since the last time."""
    work = policy.work(fragments(table_at))
    _join(table_at, exclusive, work.parts, policy)
    if work.index:
        _grow_indexes(table_at, exclusive, policy)
    # Last: Lance does not join fragments that lie in different vector indexes.
    vector_index.tend(_opened(table_at), vectors)


def optimize(
    table_at: Location,
    exclusive: Exclusive,
    policy: UpkeepPolicy = DEFAULT_POLICY,
    vectors: VectorIndexPolicy = vector_index.DEFAULT_POLICY,
) -> None:
    """Join what is small and bring every index up to date, due or not. Nobody commits meanwhile."""
    with exclusive:
        _compact(table_at, _all(table_at), policy.fragment_rows, _MANY_DELETED)
    _make_whole(table_at)
    vector_index.tend(_opened(table_at), vectors)


def materialize_deletions(table_at: Location, exclusive: Exclusive, policy: UpkeepPolicy = DEFAULT_POLICY) -> None:
    """Rewrite every fragment that has a deleted row, and the indexes over it. The old files stay with old versions."""
    with exclusive:
        _compact(table_at, _all(table_at), policy.fragment_rows, 0.0)
    _make_whole(table_at)
    # Those of vectors too: a deleted vector stays in its index until that is rewritten.
    _opened(table_at).optimize.optimize_indices()


def index_words(table_at: Location, column: str) -> None:
    """Build the full-text index of a column, anew where there is one. Not by `lancedb`, whose release of Lance may take
    other words for such as say nothing: upkeep extends the index, and readers cut their questions, by this one.
    """
    _opened(table_at).create_scalar_index(column, "INVERTED", name=f"{column}_idx", replace=True)


def drop_versions(table_at: Location, *, older_than: timedelta, unverified: bool = False) -> None:
    """Remove old versions with their files, once what took their place is durable. `unverified`: also what a killed
    process left; nobody else may write.
    """
    _opened(table_at).cleanup_old_versions(older_than=older_than, delete_unverified=unverified)


def derive(
    table_at: Location, schema: pa.Schema, columns: Callable[[pa.RecordBatch], pa.RecordBatch], read: Sequence[str]
) -> None:
    """Add columns of `schema`, made from batches of the columns `read`, in one commit."""
    import lance

    _opened(table_at).add_columns(lance.batch_udf(output_schema=schema)(columns), read_columns=list(read))


def fragments(table_at: Location) -> list[Fragment]:
    """The table's fragments in the order of their rows."""
    table = _opened(table_at)
    indexes = {index.name: index.segments for index in table.describe_indices()}
    covered = {name: _fragments_of(parts) for name, parts in indexes.items()}
    # Indexes of vectors grow at a pace of their own.
    scalar = vector_index.scalar_indexes(table)
    largest = [_fragments_of([max(indexes[name], key=lambda part: part.size_bytes or 0)]) for name in scalar]
    return [
        Fragment(
            fragment_id=item.fragment_id,
            rows=item.physical_rows,
            deleted=item.num_deletions,
            indexed=any(item.fragment_id in cover for cover in covered.values()),
            covered=all(item.fragment_id in covered[name] for name in scalar),
            joined=all(item.fragment_id in cover for cover in largest),
        )
        for item in table.get_fragments()
    ]


def _fragments_of(parts: Iterable[Any]) -> set[int]:
    """Numbers of the fragments that these parts of an index cover."""
    return {number for part in parts for number in part.fragment_ids}


def _grow_indexes(table_at: Location, exclusive: Exclusive, policy: UpkeepPolicy) -> None:
    """Bring those up to date that are not of vectors: what is new becomes a part of its own, which costs the same at
    any size.
    """
    joined = {name: policy.new_parts(rows) for name, rows in _parts(table_at).items()}
    _optimize_indexes(table_at, joined)
    full = {name for name, count in joined.items() if count}
    if full:
        # Before these parts are joined with the largest: whoever rewrites a fragment rewrites all of the part.
        _join(table_at, exclusive, policy.lately_covered(fragments(table_at)), policy)
        rows = {name: found for name, found in _parts(table_at).items() if name in full}
        _optimize_indexes(table_at, {name: len(found) for name, found in rows.items() if policy.joins_whole(found)})


def _make_whole(table_at: Location) -> None:
    """Bring those indexes up to date, each in one part."""
    _optimize_indexes(table_at, {name: len(rows) for name, rows in _parts(table_at).items()})


def _optimize_indexes(table_at: Location, joined: Mapping[str, int]) -> None:
    """`joined`: how many of its newest parts become one with what is new, by index."""
    table = _opened(table_at)
    for name, count in joined.items():
        table.optimize.optimize_indices(index_names=[name], num_indices_to_merge=count)


def _parts(table_at: Location) -> dict[str, list[int]]:
    """Rows of the parts of each index that is not of vectors, the oldest first."""
    table = _opened(table_at)
    rows = {item.fragment_id: item.physical_rows for item in table.get_fragments()}
    indexes = {index.name: index.segments for index in table.describe_indices()}
    return {
        name: [sum(rows.get(number, 0) for number in part.fragment_ids) for part in indexes[name]]
        for name in vector_index.scalar_indexes(table)
    }


def _join(table_at: Location, exclusive: Exclusive, parts: Iterable[Joining], policy: UpkeepPolicy) -> None:
    for part in parts:
        # For each part by itself: a commit that changes rows waits for one and not for all.
        with exclusive:
            _compact(table_at, part.fragment_ids, part.target_rows, policy.deleted)


def _all(table_at: Location) -> list[int]:
    return [item.fragment_id for item in _opened(table_at).get_fragments()]


def _compact(table_at: Location, chosen: Collection[int], target_rows: int, deleted: float) -> None:
    """Join chosen fragments with chosen neighbours, and rewrite those of which a share `deleted` is gone."""
    table = _opened(table_at)
    # Lance takes the fragments to leave alone, not those to join.
    others = {item.fragment_id for item in table.get_fragments()}.difference(chosen)
    table.optimize.compact_files(
        target_rows_per_fragment=target_rows,
        materialize_deletions_threshold=deleted,
        excluded_fragment_ids=sorted(others),
    )


def session(index_bytes: int, metadata_bytes: int) -> Any:
    """What openers of tables keep of indexes and descriptions of files together."""
    import lance

    return lance.Session(  # type: ignore[attr-defined]  # its types do not export it
        index_cache_size_bytes=index_bytes, metadata_cache_size_bytes=metadata_bytes
    )


def at_version(table_at: Location, version: int, shared: Any) -> Any:
    """The table as it was at `version`."""
    import lance

    return lance.dataset(table_at.uri, version=version, session=shared, storage_options=table_at.options)


def _opened(table_at: Location) -> Any:
    import lance

    shared = session(_CACHE_BYTES, _CACHE_BYTES)
    return lance.dataset(table_at.uri, session=shared, storage_options=table_at.options)
