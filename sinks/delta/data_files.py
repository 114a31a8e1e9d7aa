"""Files of rows of the Delta table: what the log says of each, and how they are read, written and exchanged. By the
functions of `deltalake` that plan nothing: its DELETE and OPTIMIZE cost several times what they read and write.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sinks.delta.commit_log import Action
from sinks.location import Location
from sinks.schema import VECTORS
from sinks.storage.objects import Objects
from stream.clock import SystemClock

PARTITIONS = ("tenant", "day")
_TIME = "version_ms"
_HEAVY = ("thumbnail", *VECTORS)
_MOST_MS = (1 << 63) - 1
_KNOWN_OF_REMOVED = {"extendedFileMetadata": True}  # its size and partition are told


class Partition(NamedTuple):
    """Its rows lie in a folder of their own."""

    tenant: str
    day: str

    @property
    def folder(self) -> str:
        """As Hive names it."""
        return "/".join(f"{name}={quote(value, safe='')}" for name, value in zip(PARTITIONS, self, strict=True))


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file that the log names as `uri`, with the times of the versions in it."""

    uri: str
    size_bytes: int
    rows: int
    tenant: str
    day: str
    first_ms: int
    last_ms: int

    @property
    def path(self) -> str:
        """As it lies below the table."""
        return unquote(self.uri)

    @property
    def partition(self) -> Partition:
        return Partition(self.tenant, self.day)


def files_of(table: Any) -> list[DataFile]:
    """All files of a Delta table. Of one without statistics any time is possible."""
    listed = pa.table(table.get_add_actions(flatten=True))
    if listed.num_rows == 0:
        return []
    columns = [
        listed["path"].cast(pa.string()),
        listed["size_bytes"].cast(pa.int64()),
        _known(listed, "num_records", 0),
        *(listed[f"partition.{name}"].cast(pa.string()) for name in PARTITIONS),
        _known(listed, f"min.{_TIME}", 0),
        _known(listed, f"max.{_TIME}", _MOST_MS),
    ]
    return [DataFile(*row) for row in zip(*(column.to_pylist() for column in columns), strict=True)]


class DataFiles:
    """Files below the table at `table_at`; new ones of about `target_bytes`."""

    def __init__(self, table_at: Location, target_bytes: int) -> None:
        self._table_at = table_at
        self._target_bytes = target_bytes
        self._folder = table_at.path

    def content(self, file: DataFile) -> bytes:
        """All bytes: one request to an object store. Raises `FileNotFoundError`."""
        if self._folder is not None:
            return (self._folder / file.path).read_bytes()
        if (found := self._objects.get(file.path)) is None:
            raise FileNotFoundError(f"{self._table_at}/{file.path}")
        return found.content

    def write(self, rows: pa.Table, partition: Partition) -> list[DataFile]:
        """New files of these rows, which no commit names yet; none where there is no row."""
        parts = max(1, rows.nbytes // self._target_bytes)
        # Never 0, which `range` refuses, also where there is no row.
        size = -(-rows.num_rows // parts) or 1
        return [self._write(rows.slice(start, size), partition) for start in range(0, rows.num_rows, size)]

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files that nobody needs. They may be gone."""
        for path in paths:
            if self._folder is not None:
                (self._folder / path).unlink(missing_ok=True)
            else:
                self._objects.remove(path)

    def _write(self, rows: pa.Table, partition: Partition) -> DataFile:
        content = _parquet(rows)
        # Never a name that was there before: what a commit names does not change, and is synced once.
        path = f"{partition.folder}/part-{uuid.uuid4()}-c000.snappy.parquet"
        if self._folder is not None:
            (self._folder / partition.folder).mkdir(parents=True, exist_ok=True)
            # Not synced here: the writer syncs all files of a commit at once (ADR 0042).
            (self._folder / path).write_bytes(content)
        else:
            self._objects.put(path, content.to_pybytes())
        times = pc.min_max(rows[_TIME]).as_py()
        return DataFile(quote(path, safe="/="), content.size, rows.num_rows, *partition, times["min"], times["max"])

    @cached_property
    def _objects(self) -> Objects:
        return Objects(self._table_at)


def columns_of(table: Any) -> pa.Schema:
    """What the files of a Delta table hold: its columns but those that name partitions."""
    return pa.schema([field for field in pa.schema(table.schema().to_arrow()) if field.name not in PARTITIONS])


def rows_in(content: bytes, schema: pa.Schema) -> pa.Table:
    """Rows of a file with the columns of `schema`; one that an older file lacks is empty."""
    found = pq.ParquetFile(pa.BufferReader(content))
    known = set(found.schema_arrow.names)
    return with_columns(found.read(columns=[name for name in schema.names if name in known], use_threads=False), schema)


def with_columns(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of `schema` in its types; one that is missing is empty."""
    return pa.table([_column(rows, field) for field in schema], schema=schema)


def _column(rows: pa.Table, field: pa.Field) -> Any:
    at = rows.schema.get_field_index(field.name)
    if at < 0:
        return pa.nulls(rows.num_rows, field.type)
    # A cast takes as long where the type is the same.
    return rows[at] if rows.schema.field(at).type == field.type else rows[at].cast(field.type)


def by_partition(rows: pa.Table) -> Iterator[tuple[Partition, pa.Table]]:
    """Rows as `delta_schema` has them, of one partition after another."""
    for place in rows.select(PARTITIONS).group_by(list(PARTITIONS)).aggregate([]).to_pylist():
        partition = Partition(place["tenant"], place["day"])
        lies = pc.and_(pc.equal(rows["tenant"], partition.tenant), pc.equal(rows["day"], partition.day))
        yield partition, rows.filter(lies)


def exchanged(gone: Iterable[DataFile], come: Iterable[DataFile], *, changed: bool) -> list[Action]:
    """What a commit says that puts files in place of others. `changed`: other rows than before."""
    now_ms = SystemClock().now_ms()
    removed = [{"remove": {**_told(file, changed), "deletionTimestamp": now_ms, **_KNOWN_OF_REMOVED}} for file in gone]
    added = [{"add": {**_told(file, changed), "modificationTime": now_ms, "stats": _statistics(file)}} for file in come]
    return [*removed, *added]


def _known(listed: pa.Table, name: str, missing: int) -> pa.ChunkedArray:
    """Numbers of the log; those that it does not tell are `missing`."""
    if name not in listed.schema.names:
        return pa.chunked_array([pa.array([missing] * listed.num_rows, pa.int64())])
    return pc.fill_null(listed[name].cast(pa.int64()), missing)


def _parquet(rows: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, **_options(rows.schema))
    return sink.getvalue()


@lru_cache(maxsize=4)
def _options(schema: pa.Schema) -> Mapping[str, Any]:
    """What never repeats is neither looked up nor compressed, which takes time and saves nothing."""
    light = {path: leaf for field in schema if field.name not in _HEAVY for path, leaf in _leaves(field)}
    heavy = (path for field in schema if field.name in _HEAVY for path, _ in _leaves(field))
    return {
        "compression": {**dict.fromkeys(light, "snappy"), **dict.fromkeys(heavy, "none")},
        "use_dictionary": [path for path, leaf in light.items() if pa.types.is_string(leaf)],
        "write_statistics": list(light),
    }


def _leaves(field: pa.Field, above: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """Columns of Parquet that hold a field, by path, with their types."""
    path = f"{above}{field.name}"
    if pa.types.is_struct(field.type):
        for number in range(field.type.num_fields):
            yield from _leaves(field.type.field(number), f"{path}.")
    elif pa.types.is_list(field.type):
        yield from _leaves(field.type.value_field.with_name("element"), f"{path}.list.")
    else:
        yield path, field.type


def _told(file: DataFile, changed: bool) -> dict[str, object]:
    partition = {"tenant": file.tenant, "day": file.day}
    return {"path": file.uri, "partitionValues": partition, "size": file.size_bytes, "dataChange": changed}


def _statistics(file: DataFile) -> str:
    """No text, uri or label may be among them (see `MOMENTS`)."""
    return json.dumps(
        {
            "numRecords": file.rows,
            "minValues": {_TIME: file.first_ms},
            "maxValues": {_TIME: file.last_ms},
            "nullCount": {_TIME: 0},
        }
    )
