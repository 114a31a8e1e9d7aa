"""The settings of the media operator `composite` as a reference page."""

import inspect
from collections.abc import Mapping

from pydantic import BaseModel

from deploy.documents.markdown import code
from deploy.documents.setting_fields import fields_table
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
    parts = [f"## {title}", "", " ".join(part for part in (text, more) if part)]
    if shown := fields_table(model, without):
        parts += ["", shown]
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
