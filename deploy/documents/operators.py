"""The settings of all media operators but `composite`, which has a page of its own."""

import inspect
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from deploy.documents.markdown import code, table
from deploy.documents.setting_fields import fields_table
from stream.media import REGISTRY
from stream.media.catalogue import OperatorCatalogue
from stream.media.generate.diffusion.settings import DecodingSettings, DiffusionSettings
from stream.media.generate.settings import NetworkSettings
from stream.media.interpolate.operator import InterpolateSettings
from stream.media.package.settings import AdTag, Captions, Packaging
from stream.media.protocol import Settings
from stream.media.restyle.settings import RestyleSettings
from stream.media.restyle.styles import STYLES
from stream.media.transcode.profiles import PROFILES
from stream.media.transcode.settings import Loudness, Sounding, Transcoding
from stream.media.upscale.operator import UpscaleSettings

_MODELS: Mapping[str, Sequence[type[BaseModel]]] = {
    "decode-latents": (DecodingSettings,),
    "generate": (NetworkSettings, DiffusionSettings),
    "interpolate": (InterpolateSettings,),
    "package": (Packaging, Captions, AdTag),
    "restyle": (RestyleSettings,),
    "transcode": (Transcoding, Sounding, Loudness),
    "upscale": (UpscaleSettings,),
}
_TITLES: Mapping[type[BaseModel], str] = {
    NetworkSettings: "`model` is a network that comes with rushes",
    DiffusionSettings: "`model` is `hf:NAME`, a diffusion pipeline",
}
_EXAMPLES: Mapping[str, tuple[Settings, Sequence[str]]] = {
    "decode-latents": ({"model": "hf:my-model"}, ("latents",)),
    "generate": ({"model": "label-gan", "prompt": "green"}, ()),
    "interpolate": ({}, ("film",)),
    "package": ({}, ("film",)),
    "restyle": ({"style": "woodcut"}, ("film",)),
    "transcode": ({"profile": "h264_web"}, ("film",)),
    "upscale": ({}, ("film",)),
}
"""Settings with which an operator has its usual outputs."""


def operators() -> str:
    """One section for each operator, in alphabetical order."""
    return "\n".join(_section(name) for name in sorted(REGISTRY) if name != "composite")


def _section(name: str) -> str:
    catalogue = OperatorCatalogue()
    settings, inputs = _EXAMPLES[name]
    made = catalogue.outputs(name, catalogue.checked(name, settings, inputs))
    first, *models = _MODELS[name]
    told = f"Outputs: {', '.join(map(code, made))}.{_MORE.get(name, '')}"
    parts = [f"## `{name}`", "", told, "", *_titled(first), _text(first), "", fields_table(first)]
    for model in models:
        parts += [f"### {_TITLES.get(model, code(model.__name__))}", "", _text(model), "", fields_table(model)]
    if name == "transcode":
        parts += ["### Profiles", "", _profiles()]
    return "\n".join(parts)


_MORE: Mapping[str, str] = {
    "generate": " With `hf:NAME`: `latents.safetensors`, `generation.json`.",
    "package": " `sound.*` are left out with `sound: false`; with `vast` there is `vast.xml`, and"
    " with `captions` a `captions-LANGUAGE.vtt` and its playlist for each.",
    "restyle": f" `style` and the names in `styles` are {', '.join(map(code, STYLES))}.",
    "transcode": " Its suffix is that of the profile.",
}


def _titled(model: type[BaseModel]) -> list[str]:
    return [f"### {_TITLES[model]}", ""] if model in _TITLES else []


def _text(model: type[BaseModel]) -> str:
    return " ".join(inspect.cleandoc(model.__doc__ or "").split())


def _profiles() -> str:
    rows = [
        (
            code(name),
            row.title,
            code(f"video.{row.suffix}"),
            _quality(row.quality),
            "kept" if row.high_dynamic_range else "-",
        )
        for name, row in PROFILES.items()
    ]
    return table(("profile", "what it is", "output", "`crf`: default, and range", "HDR"), rows)


def _quality(quality: tuple[float, float, float] | None) -> str:
    return "-" if quality is None else f"{quality[0]:g}, {quality[1]:g} to {quality[2]:g}"
