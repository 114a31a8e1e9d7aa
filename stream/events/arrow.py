"""Arrow IPC streams of one record batch with byte metadata; the schema is checked at both ends."""

import struct
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
    """The rows and metadata. Raises `BadEvent` if the bytes are no Arrow stream, have another schema, or hold a null in
    a column without nulls. Nothing is ever inflated: a small record must not become a large table.
    """
    try:
        if not all(_plain(message) for message in pa.ipc.MessageReader.open_stream(value)):
            raise BadEvent(f"invalid {name} payload: compressed or foreign parts", code="invalid_payload")
        with pa.ipc.open_stream(value) as reader:
            table = reader.read_all()
        # Arrow's own check of offsets and lengths: without it hostile buffers could be read out of bounds.
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError, EOFError, struct.error) as error:
        raise BadEvent(
            f"invalid {name} payload: not an Arrow stream ({type(error).__name__})", code="invalid_payload"
        ) from None
    if any(not field.nullable and table.column(at).null_count for at, field in enumerate(table.schema)):
        raise BadEvent(f"invalid {name} payload: a value is missing", code="invalid_payload")
    if schema is not None and not table.schema.equals(schema, check_metadata=False):
        raise BadEvent(f"invalid {name} payload: unexpected schema", code="invalid_payload")
    return table, dict(table.schema.metadata or {})


def _plain(message: pa.ipc.Message) -> bool:
    """Whether a message is a schema or an uncompressed batch. By Arrow's Message.fbs, the header is field 2 of a
    message and `BodyCompression` is field 3 of a batch. pyarrow has verified the flatbuffer but does not expose this
    field.
    """
    if message.type == "schema":
        return True
    raw = memoryview(message.metadata)
    root = _indirect(raw, 0)
    header = _field(raw, root, 2)
    return message.type == "record batch" and header > 0 and _field(raw, _indirect(raw, header), 3) == 0


def _indirect(raw: memoryview, at: int) -> int:
    return at + int(struct.unpack_from("<I", raw, at)[0])


def _field(raw: memoryview, table: int, number: int) -> int:
    """The position of field `number` of a flatbuffers table; 0 where it is absent."""
    vtable = table - int(struct.unpack_from("<i", raw, table)[0])
    size, slot = int(struct.unpack_from("<H", raw, vtable)[0]), 4 + 2 * number
    offset = int(struct.unpack_from("<H", raw, vtable + slot)[0]) if slot < size else 0
    return table + offset if offset else 0
