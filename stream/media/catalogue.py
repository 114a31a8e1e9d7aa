"""Media operators by name."""

import importlib
from collections.abc import Mapping, Sequence
from typing import cast

from pydantic import JsonValue

from stream.errors import BadRequest
from stream.media import REGISTRY
from stream.media.model_files import ModelFiles, UsesModels
from stream.media.processor import instruction_set
from stream.media.protocol import MediaOperator, Settings, Sized


class OperatorCatalogue:
    """`operators`: name to `module:Class`; each is imported when it is first used. `models`: for whom uses some."""

    def __init__(self, operators: Mapping[str, str] = REGISTRY, models: ModelFiles | None = None) -> None:
        self._operators = operators
        self._models = models or ModelFiles()
        self._made: dict[str, MediaOperator] = {}
        self._sized: dict[str, Sized | None] = {}

    def operator(self, name: str) -> MediaOperator:
        """Raises `BadRequest` (`template_invalid`) for a name that is no operator."""
        if name not in self._made:
            if name not in self._operators:
                there = ", ".join(sorted(self._operators))
                raise BadRequest(f"no operator {name!r}; there are {there}", code="template_invalid")
            self._made[name] = cast("MediaOperator", load(self._operators[name], self._models))
        return self._made[name]

    def version(self, operator: str) -> int:
        return self.operator(operator).version

    def checked(self, operator: str, settings: Mapping[str, JsonValue], inputs: Sequence[str]) -> dict[str, JsonValue]:
        """The settings with their defaults. Raises `BadRequest` (`template_invalid`)."""
        return dict(self.operator(operator).check(settings, inputs))

    def outputs(self, operator: str, settings: Settings) -> Mapping[str, str]:
        return self.operator(operator).outputs(settings)

    def amount(self, operator: str, settings: Settings, inputs: Mapping[str, float]) -> float | None:
        """Megapixels of what is made, where the operator tells; else of its largest input, if that is known."""
        if operator not in self._sized:
            # Kept: to ask a protocol whether an object has its methods takes longer than the methods.
            made = self.operator(operator)
            self._sized[operator] = made if isinstance(made, Sized) else None
        sized = self._sized[operator]
        told = None if sized is None else sized.megapixels(settings, inputs)
        return max(inputs.values(), default=None) if told is None else told

    def toolchain(self, operator: str, settings: Settings) -> dict[str, str]:
        """What the operator says of itself, and the class of instruction sets, as floating-point code is built for it.
        Raises `Unavailable` (`toolchain_lacks`).
        """
        return {**self.operator(operator).toolchain(settings), "instructions": instruction_set()}


def load(target: str, models: ModelFiles) -> object:
    """An instance of the class that `module:Class` names, which knows where models are if it uses some."""
    module, _, name = target.partition(":")
    made = getattr(importlib.import_module(module), name)()
    if isinstance(made, UsesModels):
        made.find_models(models)
    return made
