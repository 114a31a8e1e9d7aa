"""The settings of `generate` for diffusion pipelines, and of `decode-latents`."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Annotated

from pydantic import Field, StringConstraints

from stream.errors import BadRequest
from stream.media.checking import refused, validated
from stream.media.composite.values import Input, Number, Rate, SettingsGroup, Whole
from stream.media.generate.diffusion.directories import Directory
from stream.media.generate.words import MAX_PROMPT
from stream.media.protocol import Settings

MAX_PIXELS = 1280 * 720 * 161
Side = Annotated[Whole, Field(ge=16, le=2048)]
Prompt = Annotated[str, Field(max_length=MAX_PROMPT)]
ModelName = Annotated[str, StringConstraints(pattern=r"^hf:", max_length=200)]


class DiffusionSettings(SettingsGroup):
    """Latents of a clip of `frames` pictures; `seed` of the stage decides which. `image`: the input with the picture
    that it begins with. `part_steps`: denoising steps of one part, after each of which the work can go on elsewhere.
    """

    model: ModelName
    prompt: Prompt = ""
    negative_prompt: Prompt = ""
    image: Input | None = None
    width: Side
    height: Side
    frames: Annotated[Whole, Field(ge=1, le=257)]
    fps: Rate = "16"
    steps: Annotated[Whole, Field(ge=1, le=200)] = 30
    guidance: Annotated[Number, Field(ge=0, le=30)] = 5.0
    part_steps: Annotated[Whole, Field(ge=1, le=200)] = 1

    @property
    def rate(self) -> Fraction:
        return Fraction(self.fps)


class DecodingSettings(SettingsGroup):
    """`model`: that made the latents. `tiled`: decode in tiles, which takes less memory and gives other pictures."""

    model: ModelName
    tiled: bool = False


def checked_diffusion(settings: Settings, inputs: Sequence[str]) -> DiffusionSettings:
    """Raises `BadRequest` (`template_invalid`)."""
    made = validated(DiffusionSettings, settings)
    if made.width * made.height * made.frames > MAX_PIXELS:
        raise refused(f"frames: width, height and frames come to more than {MAX_PIXELS} pixels")
    wanted = set() if made.image is None else {made.image}
    if wanted != set(inputs):
        there = ", ".join(sorted(inputs)) or "none"
        raise refused(f"image: the inputs are {there}; `image` names the one with the picture, and there is no other")
    return made


def require_fitting(settings: DiffusionSettings, model: Directory) -> None:
    """Raises `BadRequest` (`template_invalid`, `prompt_not_possible`) where this model cannot do what is asked."""
    family = model.family
    if family.words != bool(settings.prompt):
        problem = "it takes no words, so there must be no prompt" if settings.prompt else "a prompt is needed"
        raise BadRequest(f"prompt: {problem}; {family.can}", code="prompt_not_possible")
    if not family.words and settings.negative_prompt:
        raise BadRequest(f"negative_prompt: it takes no words; {family.can}", code="prompt_not_possible")
    if problems := list(_problems(settings, model)):
        raise refused("; ".join(problems))


def _problems(settings: DiffusionSettings, model: Directory) -> Iterator[str]:
    family = model.family
    if family.image != (settings.image is not None):
        yield f"image: {'one is needed' if family.image else 'there must be none'}; {family.can}"
    for name, side in (("width", settings.width), ("height", settings.height)):
        if side % family.multiple:
            yield f"{name}: a multiple of {family.multiple} is needed for {family.name}"
    if family.still and settings.frames != 1:
        yield f"frames: 1 is needed; {family.can}"
    if (settings.frames - 1) % family.stride:
        yield f"frames: a multiple of {family.stride} and one more is needed for {family.name}, such as 17"
