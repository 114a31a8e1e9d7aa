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
    """By DuckDB's own Delta reader. The extension comes as a package, as nothing may be fetched meanwhile."""
    import duckdb
    import duckdb_extension_delta

    (extension,) = Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension")
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.load_extension(str(extension))
        query = "SELECT count(*) FROM delta_scan(?) WHERE space = ?"
        found = connection.execute(query, [str(table), space]).fetchone()
    assert found is not None
    return int(found[0])


READERS: dict[str, Callable[[Path, str], int]] = {"Polars": _polars, "pyarrow": _pyarrow, "DuckDB": _duckdb}


def counted(reader: str, table: Path, space: str) -> int:
    """Moments of a space."""
    return READERS[reader](table, space)
