"""Upkeep of one Lance table by `pylance`, which exposes what `lancedb` does not: how large a fragment grows and when
deleted rows go. Commits may run beside it: Lance repeats what conflicts.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

FRAGMENT_ROWS = 65_536
"""Fragments are joined up to this size and then left alone, so that upkeep costs the same at any size of the store."""
VERSIONS_KEPT = timedelta(minutes=10)
_CACHE_BYTES = 32 << 20


def optimize(path: Path) -> None:
    """Join small fragments, bring indexes up to date, drop versions that no reader of the last minutes can be using."""
    table = _opened(path)
    table.optimize.compact_files(target_rows_per_fragment=FRAGMENT_ROWS)
    table.optimize.optimize_indices()
    drop_versions(path, older_than=VERSIONS_KEPT)


def materialize_deletions(path: Path) -> None:
    """Rewrite every fragment that has a deleted row, and the indexes over it. The old files stay with old versions."""
    table = _opened(path)
    table.optimize.compact_files(target_rows_per_fragment=FRAGMENT_ROWS, materialize_deletions_threshold=0.0)
    table.optimize.optimize_indices()


def drop_versions(path: Path, *, older_than: timedelta, unverified: bool = False) -> None:
    """Remove old versions with their files. `unverified`: also what a killed process left; nobody else may write."""
    _opened(path).cleanup_old_versions(older_than=older_than, delete_unverified=unverified)


def derive(
    path: Path, schema: pa.Schema, columns: Callable[[pa.RecordBatch], pa.RecordBatch], read: Sequence[str]
) -> None:
    """Add columns of `schema`, made from batches of the columns `read`, in one commit."""
    import lance

    _opened(path).add_columns(lance.batch_udf(output_schema=schema)(columns), read_columns=list(read))


def _opened(path: Path) -> Any:
    import lance

    session = lance.Session(  # type: ignore[attr-defined]  # its types do not export it
        index_cache_size_bytes=_CACHE_BYTES, metadata_cache_size_bytes=_CACHE_BYTES
    )
    return lance.dataset(str(path), session=session)
