"""A purge of a table so large that compaction by itself leaves its fragments alone."""

import random
from pathlib import Path

import pyarrow as pa

from sinks.tables.lance_tables import LanceTables

SCHEMA = pa.schema([pa.field("moment_id", pa.string()), pa.field("text", pa.string())])
ROWS = 1_300_000
SECRET = "zebracrossing"


def digests(count: int) -> pa.Array:
    """Random ids of 32 hexadecimal digits."""
    text = random.Random(5).randbytes(16 * count).hex().encode()
    fixed = pa.Array.from_buffers(pa.binary(32), count, [None, pa.py_buffer(text)])
    return fixed.cast(pa.binary()).cast(pa.string())


def test_a_purge_reaches_fragments_of_a_million_rows(tmp_path: Path) -> None:
    ids = digests(ROWS)
    doomed = {7, ROWS // 2, ROWS - 7}
    texts = pa.array([SECRET if number in doomed else "" for number in range(ROWS)], pa.string())
    tables = LanceTables(tmp_path)
    table = tables.ensure("moments", SCHEMA)
    table.add(pa.table([ids, texts], schema=SCHEMA))
    tables.optimize("moments")
    assert table.stats()["fragment_stats"]["lengths"]["max"] >= 1_000_000
    tables.delete("moments", f"text = '{SECRET}'")
    tables.purge("moments")
    assert table.count_rows() == ROWS - len(doomed)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
