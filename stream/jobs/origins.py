"""Where a final comes from, as content credentials say it: which kind of source, and of which assets (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stream.events.objects import Digest

SourceType = Literal[
    "algorithmicallyEnhanced", "composite", "compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia"
]
"""Terms of the IPTC's vocabulary of digital source types."""
_TRAINED = frozenset({"generate", "decode-latents", "restyle"})
"""Operators whose pictures a trained network made."""
_ENHANCING = frozenset({"upscale", "interpolate"})
"""Operators that add what is likely to be there, to what was."""
_CARRIED = frozenset({"transcode", "package"})
"""Operators that change how pictures are written, and nothing that they show."""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """An asset of a job. `name`: that of the template."""

    name: str
    digest: Digest
    file: str


@dataclass(frozen=True, slots=True)
class FinalOrigin:
    """`source_type` is None where one asset was only written in another way: then its source is ours too."""

    source_type: SourceType | None
    ingredients: tuple[Ingredient, ...]
    operators: tuple[str, ...]


def origin_of(settings: Mapping[str, Any], final: Digest) -> FinalOrigin:
    """Of a delivery's settings: what the stages that led to a final took and did."""
    stages = _led_to(settings["stages"], final)
    taken = {digest for stage in stages for digest in stage["inputs"].values()}
    ingredients = tuple(
        Ingredient(name, asset["digest"], asset["name"])
        for name, asset in sorted(settings.get("assets", {}).items())
        if asset["digest"] in taken
    )
    operators = {stage["operator"] for stage in stages}
    return FinalOrigin(_source_type(operators, len(ingredients)), ingredients, tuple(sorted(operators)))


def _led_to(stages: Sequence[Mapping[str, Any]], final: Digest) -> list[Mapping[str, Any]]:
    """The stages by whose outputs a final came about, the last one first."""
    wanted, found = {final}, []
    for stage in reversed(stages):
        if not wanted.isdisjoint(stage["outputs"].values()):
            found.append(stage)
            wanted |= set(stage["inputs"].values())
    return found


def _source_type(operators: set[str], ingredients: int) -> SourceType | None:
    if operators & _TRAINED:
        alone = not ingredients and operators <= _TRAINED | _CARRIED
        return "trainedAlgorithmicMedia" if alone else "compositeWithTrainedAlgorithmicMedia"
    if ingredients == 1 and operators <= _CARRIED | _ENHANCING:
        return "algorithmicallyEnhanced" if operators & _ENHANCING else None
    return "composite"
