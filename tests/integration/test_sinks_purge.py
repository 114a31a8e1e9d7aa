"""Deleted means no byte: erasures in a row, without a vector index and with each kind that is in use."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pytest

from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import LanceTables

DIMENSIONS, ROWS, ERASURES = 16, 2_000, 4
SCHEMA = pa.schema(
    [
        pa.field("moment_id", pa.string()),
        pa.field("tenant", pa.string()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("text", pa.string()),
        pa.field("thumbnail", pa.binary()),
        pa.field("vector", pa.list_(pa.float32(), DIMENSIONS)),
    ]
)
INDEXES = Indexes(keyed=("moment_id",), grouped=("tenant",), listed=("labels",), worded=("text",))
TABLE = "moments"


def vectors(count: int) -> Any:
    """In clusters, as an index expects."""
    rng = np.random.default_rng(5)
    found = (rng.standard_normal((20, DIMENSIONS))[rng.integers(0, 20, count)] * 3).astype(np.float32)
    found += rng.standard_normal(found.shape).astype(np.float32) * np.float32(0.1)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


VECTORS = vectors(ROWS)


def rows(first: int, end: int) -> pa.Table:
    numbers = range(first, end)
    return pa.table(
        {
            "moment_id": [f"{number:032x}" for number in numbers],
            "tenant": [f"tenant-of-{number}" for number in numbers],
            "labels": [[f"label={number}"] for number in numbers],
            "text": [f"zebra{number} crossing" for number in numbers],
            "thumbnail": pa.array([thumbnail(number) for number in numbers], pa.binary()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(VECTORS[first:end].ravel()), DIMENSIONS),
        },
        schema=SCHEMA,
    )


def thumbnail(number: int) -> bytes:
    return np.random.default_rng(number).bytes(64)


def as_lancedb_reads(directory: Path) -> Any:
    """The table, always at its newest version."""
    return lancedb.connect(directory, read_consistency_interval=timedelta(0)).open_table(TABLE)


def with_vector_index(table: Any, kind: str) -> None:
    from lancedb.index import IvfSq

    if kind == "IVF_SQ":
        table.create_index("vector", config=IvfSq(distance_type="cosine", num_partitions=4))


def codes_of(directory: Path) -> dict[int, bytes]:
    """What an index keeps in place of each vector, by number; nothing where it keeps vectors or there is none."""
    from lance import dataset
    from lance.file import LanceFileReader

    table = dataset(str(directory / f"{TABLE}.lance")).to_table(columns=["moment_id"], with_row_id=True)
    numbers = dict(zip(table["_rowid"].to_pylist(), table["moment_id"].to_pylist(), strict=True))
    found: dict[int, bytes] = {}
    for path in directory.rglob("auxiliary.idx"):
        stored = LanceFileReader(str(path)).read_all().to_table()
        if "__sq_code" in stored.column_names:
            pairs = zip(stored["_rowid"].to_pylist(), stored["__sq_code"].to_pylist(), strict=True)
            found.update((int(numbers[row], 16), bytes(code)) for row, code in pairs if row in numbers)
    return found


def values_of(directory: Path) -> list[int]:
    """How many words the full-text index has, and values those of tenants and of labels: strings are compressed, so
    that no look at bytes would find them.
    """
    from lance.file import LanceFileReader

    (words,) = directory.rglob("*_tokens.lance")
    count = LanceFileReader(str(words)).read_all().to_table()["_token_next_id"][0].as_py()
    bitmaps = directory.rglob("bitmap_page_lookup.lance")
    return [count, *(LanceFileReader(str(path)).read_all().to_table().num_rows for path in bitmaps)]


def traces(directory: Path, secrets: dict[str, list[bytes]]) -> dict[str, int]:
    """In how many files some of these bytes lie, by what they are."""
    files = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
    return {what: sum(any(secret in content for secret in some) for content in files) for what, some in secrets.items()}


def secrets_of(numbers: range, codes: dict[int, bytes]) -> dict[str, list[bytes]]:
    return {
        "vector": [VECTORS[number].tobytes() for number in numbers],
        "code": [codes[number] for number in numbers if number in codes],
        "thumbnail": [thumbnail(number) for number in numbers],
    }


@pytest.mark.parametrize("kind", ["none", "IVF_SQ"])
def test_no_byte_is_left_after_any_of_four_erasures_in_a_row(kind: str, tmp_path: Path) -> None:
    tables = LanceTables(tmp_path)
    tables.ensure(TABLE, SCHEMA, INDEXES)
    table = as_lancedb_reads(tmp_path)
    held = ROWS - 100
    tables.append(TABLE, rows(0, held))
    tables.optimize(TABLE)
    with_vector_index(table, kind)
    gone: dict[str, list[bytes]] = {}
    for turn in range(ERASURES):
        doomed = range(300 * turn + 50, 300 * turn + 70)
        assert {table.count_rows() + 1, table.count_rows()} <= set(values_of(tmp_path))
        secrets = secrets_of(doomed, codes_of(tmp_path))
        found = traces(tmp_path, secrets)
        assert min(found["vector"], found["thumbnail"]) >= 1, "it can be found"
        assert (found["code"] >= 1) == (kind == "IVF_SQ")
        assert found["vector"] >= 1
        gone = {what: [*gone.get(what, []), *some] for what, some in secrets.items()}
        tables.delete(TABLE, f"moment_id >= '{doomed[0]:032x}' AND moment_id <= '{doomed[-1]:032x}'")
        tables.append(TABLE, rows(held, held + 25))  # so that something is new to every index
        held += 25
        tables.purge(TABLE)
        assert traces(tmp_path, gone) == dict.fromkeys(gone, 0)
        assert table.count_rows() == held - 20 * (turn + 1)
        assert values_of(tmp_path) == [table.count_rows() + 1, table.count_rows(), table.count_rows()]
    nearest = table.search(VECTORS[5], vector_column_name="vector").distance_type("cosine").limit(1).to_list()
    assert [row["moment_id"] for row in nearest] == [f"{5:032x}"]
    assert [row["moment_id"] for row in table.search("zebra7", query_type="fts").to_list()] == [f"{7:032x}"]


def test_a_purge_reaches_large_fragments(tmp_path: Path) -> None:
    """A few rows of a large fragment, which upkeep would leave alone for a long time."""
    tables = LanceTables(tmp_path)
    many = 100_000
    schema = pa.schema([pa.field("moment_id", pa.string()), pa.field("text", pa.string())])
    secret, doomed = "zebracrossing", {7, many // 2, many - 7}
    texts = pa.array([secret if number in doomed else "" for number in range(many)], pa.string())
    tables.ensure(TABLE, schema)
    tables.append(TABLE, pa.table([pa.array([f"{number:032x}" for number in range(many)]), texts], schema=schema))
    tables.optimize(TABLE)
    assert traces(tmp_path, {"text": [secret.encode()]})["text"] >= 1
    tables.delete(TABLE, f"text = '{secret}'")
    tables.purge(TABLE)
    assert tables.count(TABLE) == many - len(doomed)
    assert traces(tmp_path, {"text": [secret.encode()]}) == {"text": 0}
