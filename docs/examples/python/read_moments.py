"""Reads the Delta table of moments with Polars: how much footage each tag covers, in each asset.

pip install polars deltalake
python read_moments.py state/parquet/moments acme
"""

import sys

import polars as pl


def main(table: str, tenant: str) -> None:
    seconds = (pl.col("end_ns") - pl.col("start_ns")).sum() / 1e9
    found = (
        pl.scan_delta(table)
        .filter(pl.col("tenant") == tenant)
        .explode("tags")
        .with_columns(tag=pl.col("tags").struct.field("label"))
        .group_by("asset_id", "tag")
        .agg(seconds=seconds)
        .sort("asset_id", "seconds", descending=[False, True])
        .collect()
    )
    print(found.write_csv(), end="")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: read_moments.py TABLE TENANT")
    main(*sys.argv[1:])
