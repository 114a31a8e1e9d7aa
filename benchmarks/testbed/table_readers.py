"""The Delta table of moments as engines of others count it: what a data team would see."""

from collections.abc import Callable
from pathlib import Path


def _polars(table: Path, space: str) -> int:
    import polars as pl

    return int(pl.scan_delta(str(table)).filter(pl.col("space") == space).select(pl.len()).collect().item())


def _pyarrow(table: Path, space: str) -> int:
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

    return int(DeltaTable(str(table)).to_pyarrow_dataset().count_rows(filter=ds.field("space") == space))


def _duckdb(table: Path, space: str) -> int:
    import duckdb
    from deltalake import DeltaTable

    moments = DeltaTable(str(table)).to_pyarrow_dataset()
    found = duckdb.execute("SELECT count(*) FROM moments WHERE space = ?", [space]).fetchone()
    assert found is not None
    del moments
    return int(found[0])


READERS: dict[str, Callable[[Path, str], int]] = {"Polars": _polars, "pyarrow": _pyarrow, "DuckDB": _duckdb}


def counted(reader: str, table: Path, space: str) -> int:
    """Moments of a space."""
    return READERS[reader](table, space)
