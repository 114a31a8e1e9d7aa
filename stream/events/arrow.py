"""Arrow IPC streams of one record batch with byte metadata; the schema is checked at both ends."""

from collections.abc import Mapping

import pyarrow as pa

from stream.errors import BadEvent


def to_ipc(rows: pa.RecordBatch, metadata: Mapping[bytes, bytes]) -> bytes:
    """One record batch and its schema metadata as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    schema = rows.schema.with_metadata(dict(metadata))
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(rows.replace_schema_metadata(dict(metadata)))
    return bytes(sink.getvalue())


def from_ipc(value: bytes, schema: pa.Schema | None, name: str) -> tuple[pa.Table, dict[bytes, bytes]]:
    """The rows and metadata; raises `BadEvent` if the bytes are no Arrow stream or another schema."""
    try:
        with pa.ipc.open_stream(value) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadEvent(
            f"invalid {name} payload: not an Arrow stream ({type(error).__name__})", code="invalid_payload"
        ) from None
    if schema is not None and not table.schema.equals(schema, check_metadata=False):
        raise BadEvent(f"invalid {name} payload: unexpected schema", code="invalid_payload")
    return table, dict(table.schema.metadata or {})
