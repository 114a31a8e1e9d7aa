"""Columns of audit events in Parquet, the same in every file (pure).

A reader joins files by their columns. So what an event lacks is an empty column and no missing one, also where nobody
has ever been denied, or been given a role.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

_TEXT, _NUMBER, _ID = pa.string(), pa.int64(), pa.int32()
_NAMED = pa.struct({"name": _TEXT, "uid": _TEXT})
_SESSION = pa.struct({"uid": _TEXT})
_USER = pa.struct({"uid": _TEXT, "type_id": _ID, "type": _TEXT})
_RESOURCES = pa.list_(pa.struct({"uid": _TEXT, "type": _TEXT}))
_METADATA = pa.struct(
    {
        "version": _TEXT,
        "product": pa.struct({"name": _TEXT, "uid": _TEXT, "version": _TEXT}),
        "uid": _TEXT,
        "correlation_uid": _TEXT,
        "log_name": _TEXT,
        "sequence": _NUMBER,
        "tenant_uid": _TEXT,
        "profiles": pa.list_(_TEXT),
    }
)
_COLUMNS: Mapping[str, pa.DataType] = {
    "category_uid": _ID,
    "class_uid": _ID,
    "activity_id": _ID,
    "activity_name": _TEXT,
    "type_uid": _NUMBER,
    "severity_id": _ID,
    "severity": _TEXT,
    "time": _NUMBER,
    "metadata": _METADATA,
    "actor": pa.struct({"app_name": _TEXT, "user": _USER, "session": _SESSION}),
    "src_endpoint": pa.struct({"ip": _TEXT, "hostname": _TEXT, "name": _TEXT}),
    "status_id": _ID,
    "status": _TEXT,
    "status_code": _TEXT,
    "action_id": _ID,
    "action": _TEXT,
    "disposition_id": _ID,
    "disposition": _TEXT,
    "count": _NUMBER,
    "duration": _NUMBER,
    "message": _TEXT,
    # Each of these is of some classes alone.
    "api": pa.struct({"operation": _TEXT}),
    "database": pa.struct({"name": _TEXT, "type_id": _ID}),
    "entity": pa.struct({"uid": _TEXT, "type": _TEXT, "user": _USER}),
    "file": pa.struct({"name": _TEXT, "uid": _TEXT, "type_id": _ID}),
    "group": _NAMED,
    "privileges": pa.list_(_TEXT),
    "query_info": pa.struct({"uid": _TEXT, "query_string": _TEXT}),
    "resources": _RESOURCES,
    "service": _NAMED,
    "session": _SESSION,
    "table": _NAMED,
    "type_id": _ID,
    "user": _USER,
}
_SCHEMA = pa.schema({**_COLUMNS, "unmapped": _TEXT})
OTHERS = "attributes"
"""In `unmapped`: what an event of another release has and no column does."""


def table_of(events: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A row for each event, with `unmapped` as JSON, as its content is of no fixed shape. Nothing of an event is left
    out.
    """
    return pa.Table.from_pylist([_row(event) for event in events], _SCHEMA)


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    unmapped = event.get("unmapped", {})
    fitting, rest = _of_struct({key: value for key, value in event.items() if key != "unmapped"}, _COLUMNS)
    if rest:
        unmapped = {**unmapped, OTHERS: rest}
    return {**fitting, "unmapped": json.dumps(unmapped, sort_keys=True)}


def _of_struct(value: Mapping[str, Any], kinds: Mapping[str, pa.DataType]) -> tuple[dict[str, Any], dict[str, Any]]:
    fitting, rest = {}, {}
    for key, item in value.items():
        taken, left = _fitted(item, kinds.get(key))
        if taken is not None:
            fitting[key] = taken
        if left is not None:
            rest[key] = left
    return fitting, rest


def _fitted(value: Any, kind: pa.DataType | None) -> tuple[Any, Any]:
    """What a column holds of a value, and what it cannot hold; None for nothing."""
    if kind is not None and pa.types.is_struct(kind) and isinstance(value, dict):
        fitting, rest = _of_struct(value, {field.name: field.type for field in kind})
        return fitting or None, rest or None
    if kind is not None and pa.types.is_list(kind) and isinstance(value, list):
        items = [_fitted(item, kind.value_type) for item in value]
        # Whole, or its items would lose their order among the others.
        return (None, value) if any(left is not None for _, left in items) else ([taken for taken, _ in items], None)
    return (value, None) if _holds(kind, value) else (None, value)


def _holds(kind: pa.DataType | None, value: Any) -> bool:
    if kind is None or isinstance(value, bool):
        return False
    if pa.types.is_string(kind):
        return isinstance(value, str)
    bits = kind.bit_width if pa.types.is_integer(kind) else 0
    return isinstance(value, int) and -(1 << bits - 1) <= value < 1 << bits - 1 if bits else False
