"""`generate` with a diffusion pipeline: denoising, in parts that follow each other, to latents."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream.errors import BadMedia, StageError, Unavailable
from stream.media.generate.clip import FACTS, prompt_digest, write_facts
from stream.media.generate.diffusion.directories import Directory, directory
from stream.media.generate.diffusion.problems import latents_unusable
from stream.media.generate.diffusion.settings import DiffusionSettings, checked_diffusion, require_fitting
from stream.media.model_files import ModelFiles
from stream.media.protocol import FOLLOWS, Part, Settings, Task

if TYPE_CHECKING:
    from PIL import Image

    from stream.media.generate.diffusion.snapshots import DenoisingState

LATENTS = "latents.safetensors"
MAX_SEED = 2**63
_LIBRARIES = (
    "accelerate",
    "diffusers",
    "ftfy",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)


class DiffusionLatents:
    """The methods of `MediaOperator` for models `hf:NAME`. A part is a range of steps; what it hands on is where the
    denoising stands.
    """

    def __init__(self, models: ModelFiles) -> None:
        self._models = models

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        return checked_diffusion(settings, inputs).model_dump(mode="json")

    def outputs(self) -> Mapping[str, str]:
        return {LATENTS: "application/octet-stream", FACTS: "application/json"}

    def toolchain(self, settings: Settings) -> Mapping[str, str]:
        wanted = _read(settings)
        model = directory(wanted.model, self._models.roots)
        require_fitting(wanted, model)
        return toolchain_of(model)

    def divide(self, task: Task) -> Sequence[Part]:
        settings = _read(task.settings)
        ranges = range(0, settings.steps, settings.part_steps)
        if len(ranges) == 1:
            return []
        steps = ((first, min(settings.part_steps, settings.steps - first)) for first in ranges)
        return [{"first": first, "steps": count} | ({FOLLOWS: True} if first else {}) for first, count in steps]

    def render(self, task: Task) -> None:
        settings = _read(task.settings)
        model = directory(settings.model, self._models.roots)
        if task.part is None:
            snapshot = _denoised(settings, model, task, 0, settings.steps)
            self._finish(settings, model, task, snapshot)
        else:
            first, count = task.part["first"], task.part["steps"]
            assert isinstance(first, int) and isinstance(count, int)
            _denoised(settings, model, task, first, count).save(task.folder, model.digest)

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        from stream.media.generate.diffusion.snapshots import DenoisingState

        settings = _read(task.settings)
        model = directory(settings.model, self._models.roots)
        self._finish(settings, model, task, DenoisingState.load(parts[-1], model.digest))

    def _finish(self, settings: DiffusionSettings, model: Directory, task: Task, snapshot: "DenoisingState") -> None:
        import numpy as np
        import torch

        # Decoding must not need the prompt, and latents are handed on: so only what it needs is in them.
        facts = settings.model_dump(mode="json", exclude={"prompt", "negative_prompt", "part_steps"})
        picture = _picture(settings, task)
        kept = None if picture is None else torch.from_numpy(np.asarray(picture).copy())
        words = prompt_digest(settings.prompt)
        told = {"settings": facts, "seed": task.seed, "prompt_sha256": words}
        snapshot.save_whole(task.folder / LATENTS, model.digest, told, kept)
        write_facts(
            task.folder,
            model=settings.model,
            digest=model.digest,
            prompt_sha256=words,
            seed=task.seed,
            more={name: facts[name] for name in ("frames", "width", "height", "steps", "guidance")},
        )


def toolchain_of(model: Directory) -> dict[str, str]:
    """Raises `Unavailable` (`toolchain_lacks`)."""
    try:
        versions = {name: version(name) for name in _LIBRARIES}
    except PackageNotFoundError as missing:
        raise Unavailable(
            f"{missing.name} is not installed, which diffusion models need: install rushes[generate]",
            code="toolchain_lacks",
        ) from None
    return versions | {"threads": "1", "weights": model.digest}


def call_of(settings: DiffusionSettings, model: Directory, picture: "Image.Image | None", seed: int) -> dict[str, Any]:
    """The arguments of the pipeline."""
    import torch

    family = model.family
    call: dict[str, Any] = {
        "width": settings.width,
        "height": settings.height,
        "num_inference_steps": settings.steps,
        family.guidance: settings.guidance,
        "generator": torch.Generator("cpu").manual_seed(seed % MAX_SEED),
        "output_type": "np",
    }
    if not family.still:
        call["num_frames"] = settings.frames
    if family.words:
        call |= {"prompt": settings.prompt, "negative_prompt": settings.negative_prompt}
    if family.rate:
        call[family.rate] = max(1, round(settings.rate))
    if picture is not None:
        call["image"] = picture
    return call


@contextmanager
def computing(seed: int) -> Iterator[None]:
    """One thread, and random numbers by the seed alone; what others draw is as if nothing had been."""
    import torch

    from stream.media.generate.diffusion.loading import lacks_memory
    from stream.media.generate.threads import one_thread

    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % MAX_SEED)
        try:
            yield
        except StageError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
            if lacks_memory(error):
                raise MemoryError from error
            # Not its text, which may repeat a prompt.
            raise BadMedia(
                f"the model failed ({type(error).__name__}): it may not be made for this size or number of frames",
                code="model_failed",
            ) from error


def _denoised(settings: DiffusionSettings, model: Directory, task: Task, first: int, count: int) -> "DenoisingState":
    from stream.media.generate.diffusion.loading import loaded
    from stream.media.generate.diffusion.snapshots import DenoisingState
    from stream.media.generate.diffusion.stepping import StepRange, denoised

    task.report(0.0)
    before = None if task.before is None else DenoisingState.load(task.before, model.digest)
    if (0 if before is None else before.done) != first:
        raise latents_unusable("they stand at another step")
    pipeline = loaded(model, text=before is None, network=True)
    picture = _picture(settings, task)
    with computing(task.seed):
        call = call_of(settings, model, picture, task.seed)
        span = StepRange(first, first + count, settings.steps)
        return denoised(pipeline, call, span, before, lambda done: task.report((done - first) / count))


def _picture(settings: DiffusionSettings, task: Task) -> "Image.Image | None":
    """The input's picture in the size of the clip, its middle where the shapes differ."""
    if settings.image is None:
        return None
    from PIL import Image, ImageOps

    from stream.media.composite.pictures import picture_of

    picture = picture_of(task.inputs[settings.image], settings.image).convert("RGB")
    return ImageOps.fit(picture, (settings.width, settings.height), Image.Resampling.LANCZOS)


def _read(settings: Settings) -> DiffusionSettings:
    return DiffusionSettings.model_validate(dict(settings))
