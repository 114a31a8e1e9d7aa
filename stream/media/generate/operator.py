"""The media operator `generate`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from stream.media.checking import refused
from stream.media.generate.diffusion.directories import PREFIX
from stream.media.generate.diffusion.latents import DiffusionLatents
from stream.media.generate.network_clips import NetworkClips
from stream.media.generate.settings import VOCABULARIES
from stream.media.model_files import ModelFiles
from stream.media.protocol import Part, Settings, Task

MODELS = tuple(VOCABULARIES)


class Generate:
    """By its setting `model`: a clip of a network whose weights are pinned, or the latents of a diffusion pipeline,
    which `decode-latents` makes a clip of. Implements `MediaOperator`.
    """

    version: ClassVar[int] = 1

    def __init__(self) -> None:
        self.find_models(ModelFiles())

    def find_models(self, models: ModelFiles) -> None:
        self._clips, self._latents = NetworkClips(models), DiffusionLatents(models)

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        return self._kind(settings).check(settings, inputs)

    def outputs(self, settings: Settings) -> Mapping[str, str]:
        return self._kind(settings).outputs()

    def toolchain(self, settings: Settings) -> Mapping[str, str]:
        return self._kind(settings).toolchain(settings)

    def divide(self, task: Task) -> Sequence[Part]:
        return self._kind(task.settings).divide(task)

    def render(self, task: Task) -> None:
        self._kind(task.settings).render(task)

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        self._kind(task.settings).join(task, parts)

    def _kind(self, settings: Settings) -> NetworkClips | DiffusionLatents:
        model = settings.get("model")
        if model in MODELS:
            return self._clips
        if isinstance(model, str) and model.startswith(PREFIX):
            return self._latents
        raise refused(f"model: there is no such model; there are {', '.join(MODELS)}, and {PREFIX}NAME for a directory")
