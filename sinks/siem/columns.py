"""Columns of audit events in Parquet, the same in every file of a class (pure).

A reader joins the files of a day by their columns. So what an event lacks is an empty column and no missing one.
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
_EVERY: Mapping[str, pa.DataType] = {
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
}
_OF_CLASS: Mapping[int, Mapping[str, pa.DataType]] = {
    3002: {"service": _NAMED, "user": _USER, "session": _SESSION},
    3004: {"entity": pa.struct({"uid": _TEXT, "type": _TEXT, "user": _USER})},
    3005: {"privileges": pa.list_(_TEXT), "user": _USER, "resources": _RESOURCES},
    3006: {"group": _NAMED},
    6003: {"api": pa.struct({"operation": _TEXT}), "resources": _RESOURCES},
    6005: {
        "type_id": _ID,
        "database": pa.struct({"name": _TEXT, "type_id": _ID}),
        "table": _NAMED,
        "query_info": pa.struct({"uid": _TEXT, "query_string": _TEXT}),
    },
    6006: {"file": pa.struct({"name": _TEXT, "uid": _TEXT, "type_id": _ID})},
}
OTHERS = "attributes"
"""In `unmapped`: what an event of another release has and no column does."""


def table_of(class_uid: int, events: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A row for each event, with `unmapped` as JSON, as its content is of no fixed shape. Nothing of an event is left
    out.
    """
    schema = pa.schema({**_EVERY, **_OF_CLASS.get(class_uid, {}), "unmapped": _TEXT})
    kinds = {name: schema.field(name).type for name in schema.names if name != "unmapped"}
    return pa.Table.from_pylist([_row(event, kinds) for event in events], schema)


def _row(event: Mapping[str, Any], kinds: Mapping[str, pa.DataType]) -> dict[str, Any]:
    unmapped = event.get("unmapped", {})
    fitting, rest = _of_struct({key: value for key, value in event.items() if key != "unmapped"}, kinds)
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
