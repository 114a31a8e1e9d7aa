"""The settings of the media operator `composite` as a reference page."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from deploy.documents.markdown import code, table
from stream.media.composite import layers, settings

_TOP = settings.CompositeSettings
_LAYERS: Mapping[str, type[BaseModel]] = {
    "video": layers.VideoLayer,
    "image": layers.ImageLayer,
    "logo": layers.LogoLayer,
    "text": layers.TextLayer,
    "captions": layers.CaptionsLayer,
    "qr": layers.QrLayer,
    "shape": layers.ShapeLayer,
    "end_card": layers.EndCard,
}
_SHARED: tuple[type[BaseModel], ...] = (layers.Timed, layers.Placed, layers.Pictured, layers.Typography)
_GROUPS = (
    layers.Fitting, layers.Outline, layers.Shadow, layers.TextBox, layers.Gradient, layers.Slide, layers.Crop,
    layers.ChromaKey, layers.Mask, settings.SoundLayer, settings.Duck, settings.SafeAreas,
)  # fmt: skip


def composite() -> str:
    """One section for the clip, one for each kind of layer, and one for each group of fields."""
    sections = [_section("The clip", _TOP, set())]
    sections += [_section(f"Fields of `{model.__name__}`", model, _inherited(model)) for model in _SHARED]
    for name, layer in _LAYERS.items():
        own = _inherited(layer) - _changed(layer)
        sections.append(_section(f"`kind: {name}`", layer, own | {"kind"}))
    sections += [_section(f"`{model.__name__}`", model, set()) for model in _GROUPS]
    return "\n".join(sections)


def _section(title: str, model: type[BaseModel], without: set[str]) -> str:
    parents = [parent.__name__ for parent in _SHARED if issubclass(model, parent) and parent is not model]
    text = inspect.cleandoc(vars(model).get("__doc__") or "").replace("\n", " ")
    more = f"It has the fields of {', '.join(code(name) for name in parents)} too." if parents else ""
    properties = model.model_json_schema(mode="validation").get("properties", {})
    rows = [(code(name), _value(name, found), _default(model, name)) for name, found in properties.items()]
    shown = [row for row in rows if row[0].strip("`") not in without]
    parts = [f"## {title}", "", " ".join(part for part in (text, more) if part)]
    if shown:
        parts += ["", table(("field", "value", "default"), shown)]
    return "\n".join((*parts, ""))


def _inherited(model: type[BaseModel]) -> set[str]:
    parents = (parent for parent in _SHARED if issubclass(model, parent) and parent is not model)
    return {name for parent in parents for name in parent.model_fields}


def _changed(model: type[BaseModel]) -> set[str]:
    """Inherited fields with another default."""
    changed = set()
    for parent in (parent for parent in _SHARED if issubclass(model, parent)):
        for name, field in parent.model_fields.items():
            if model.model_fields[name].default != field.default:
                changed.add(name)
    return changed


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return f"a {code(type(value).__name__)} with its defaults"
    return "none" if value is None or value == [] else code(f"{value:g}" if isinstance(value, float) else str(value))


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
