"""Fields of settings as rows of a table."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deploy.documents.markdown import code, table


def fields_table(model: type[BaseModel], without: AbstractSet[str] = frozenset()) -> str:
    """Name, value and default of each field; empty where there are none."""
    properties = model.model_json_schema(mode="validation").get("properties", {})
    rows = [
        (code(name), _bounded(_value(name, found), model.model_fields[name]), _default(model, name))
        for name, found in properties.items()
        if name not in without
    ]
    return table(("field", "value", "default"), rows) if rows else ""


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, BaseModel):
        return f"a {code(type(value).__name__)} with its defaults"
    return "none" if value in (None, [], "") else code(f"{value:g}" if isinstance(value, float) else str(value))


def _bounded(value: str, field: FieldInfo) -> str:
    """With the bounds that the schema loses where something else reads the number first."""
    if not value.endswith("number"):
        return value
    limits = list(field.metadata)
    for inner in get_args(field.annotation):
        limits += [limit for each in getattr(inner, "__metadata__", ()) for limit in getattr(each, "metadata", ())]
    found = {
        name: getattr(limit, name) for limit in limits for name in ("ge", "gt", "le", "lt") if hasattr(limit, name)
    }
    low, high = found.get("ge", found.get("gt")), found.get("le", found.get("lt"))
    return value if low is None or high is None else f"{value} from {low:g} to {high:g}"


def _value(name: str, schema: Mapping[str, Any]) -> str:
    if name == "layers":
        return "list of layers, the lowest first"
    return " or ".join(dict.fromkeys(_kinds(schema)))


def _kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    choices = schema.get("anyOf", ())
    kinds = {choice.get("type") for choice in choices}
    if {"number", "string"} <= kinds:
        yield "length"
    elif "number" in kinds:
        yield "number"
    for choice in choices:
        if choice.get("type") not in {"null", "number"} and not (choice.get("type") == "string" and "number" in kinds):
            yield from _kinds(choice)
    if not choices:
        yield _kind(schema)


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return code(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return ", ".join(code(str(value)) for value in schema["enum"])
    if schema.get("type") == "object":
        return "names with numbers"
    if schema.get("type") == "array":
        inner = schema.get("items")
        return f"list of {_kind(inner)}" if inner else "two shares, across and down"
    if str(schema.get("pattern", "")).startswith("^#"):
        return "colour"
    return f"{_type(schema)}{_bounds(schema)}"


def _type(schema: Mapping[str, Any]) -> str:
    names = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    return names.get(schema.get("type", ""), "number")


def _bounds(schema: Mapping[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if schema.get("type") == "string":
        return f" of at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    if low is None and high is None:
        return ""
    return f" from {low:g} to {high:g}" if low is not None and high is not None else ""
