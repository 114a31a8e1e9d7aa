"""The media operator `decode-latents`: what a diffusion pipeline denoised, as a lossless clip."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import av
import numpy as np
from pydantic import Field, StringConstraints, ValidationError

from stream.errors import BadMedia
from stream.media.checking import refused, validated
from stream.media.composite.values import SettingsGroup
from stream.media.generate.clip import CLIP_OUTPUTS, Clip, write_facts
from stream.media.generate.diffusion.directories import Directory, directory
from stream.media.generate.diffusion.latents import call_of, computing, toolchain_of
from stream.media.generate.diffusion.problems import latents_unusable
from stream.media.generate.diffusion.settings import DecodingSettings, DiffusionSettings
from stream.media.generate.networks import Rgb
from stream.media.model_files import ModelFiles
from stream.media.protocol import Part, Settings, Task

INPUT = "latents"


class DecodeLatents:
    """Its input `latents` is the output of `generate` with the same model. Done as a whole, apart from the denoising:
    a lack of memory here costs no step of it. Implements `MediaOperator`.
    """

    version: ClassVar[int] = 1

    def __init__(self) -> None:
        self._models = ModelFiles()

    def find_models(self, models: ModelFiles) -> None:
        self._models = models

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        checked = validated(DecodingSettings, settings)
        if list(inputs) != [INPUT]:
            raise refused(f"inputs: {INPUT} is needed, and nothing else")
        return checked.model_dump(mode="json")

    def outputs(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return CLIP_OUTPUTS

    def toolchain(self, settings: Settings) -> Mapping[str, str]:
        return toolchain_of(self._model(_read(settings))) | {"av": av.__version__, "ffmpeg": av.ffmpeg_version_info}

    def divide(self, task: Task) -> Sequence[Part]:  # noqa: ARG002 - the protocol's
        return []

    def render(self, task: Task) -> None:
        settings = _read(task.settings)
        model = self._model(settings)
        found, pictures = _decoded(settings, model, task)
        wanted = found.settings
        clip = Clip(wanted.width, wanted.height, wanted.fps, wanted.frames)
        for done in clip.write(task.folder, (_bytes(picture) for picture in pictures)):
            task.report(0.9 + 0.1 * done / wanted.frames)
        write_facts(
            task.folder,
            model=settings.model,
            digest=model.digest,
            prompt_sha256=found.prompt_sha256,
            seed=found.seed,
            more={"frames": wanted.frames, "width": wanted.width, "height": wanted.height, "steps": wanted.steps},
        )

    def join(self, task: Task, parts: Sequence[Path]) -> None:  # noqa: ARG002 - the protocol's
        raise AssertionError("it has no parts")

    def _model(self, settings: DecodingSettings) -> Directory:
        return directory(settings.model, self._models.roots)


class _Facts(SettingsGroup):
    """What latents say of themselves. They may be any file that a template gives, so all is checked again."""

    settings: DiffusionSettings
    seed: Annotated[int, Field(ge=0)]
    prompt_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _decoded(settings: DecodingSettings, model: Directory, task: Task) -> tuple[_Facts, Any]:
    """The facts, and float [frames, height, width, 3] from 0 to 1."""
    from PIL import Image

    from stream.media.generate.diffusion.loading import loaded
    from stream.media.generate.diffusion.snapshots import DenoisingState
    from stream.media.generate.diffusion.stepping import decoded

    task.report(0.0)
    after, told, kept = DenoisingState.load_whole(task.inputs[INPUT], model.digest)
    facts = _facts(told)
    wanted = facts.settings
    if after.done != wanted.steps:
        raise latents_unusable("they are not denoised to the end")
    pipeline = loaded(model, text=False, network=False)
    if settings.tiled and not hasattr(pipeline.vae, "enable_tiling"):
        raise refused(f"tiled: {model.family.name} cannot decode in tiles")
    with computing(facts.seed), _tiled(pipeline.vae, settings):
        picture = None if kept is None else Image.fromarray(kept.numpy())
        call = call_of(wanted, model, picture, facts.seed)
        given = decoded(pipeline, call, after, wanted.steps, lambda _done: task.report(0.5))
        pictures = given.images if model.family.still else given.frames[0]
    if pictures.shape != (wanted.frames, wanted.height, wanted.width, 3):
        raise BadMedia("the model gave another size or number of pictures than was asked for", code="model_failed")
    return facts, pictures


def _facts(told: Mapping[str, Any]) -> _Facts:
    try:
        return _Facts.model_validate(dict(told))
    except ValidationError:
        raise latents_unusable("what they say of themselves is wrong") from None


@contextmanager
def _tiled(vae: Any, settings: DecodingSettings) -> Iterator[None]:
    if not settings.tiled:
        yield
        return
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()


def _bytes(picture: Any) -> Rgb:
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8)


def _read(settings: Settings) -> DecodingSettings:
    return DecodingSettings.model_validate(dict(settings))
