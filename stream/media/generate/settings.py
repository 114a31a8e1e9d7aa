"""The settings of `generate` for models whose weights are pinned."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from stream.media.composite.values import Number, Rate, SettingsGroup, Whole
from stream.media.generate.words import MAX_PROMPT, Vocabulary

LABEL_GAN, TERRAIN = "label-gan", "terrain-consistency"
COLOURS = ("amber", "blue", "brown", "gray", "grayscale", "green", "hazel", "red")
"""In the order of the network's classes."""
DIFFICULTIES = {"gentle": 10, "moderate": 40, "hard": 70, "extreme": 100}
"""How the network was told of them, of 100."""
VOCABULARIES: Mapping[str, Vocabulary] = {
    LABEL_GAN: Vocabulary(
        {**{word: word for word in COLOURS}, "grey": "gray", "greyscale": "grayscale"},
        frozenset(
            [
                "a",
                "an",
                "the",
                "one",
                "of",
                "with",
                "in",
                "painted",
                "painting",
                "portrait",
                "picture",
                "eye",
                "eyes",
                "iris",
                "colour",
                "color",
                "coloured",
                "colored",
            ]
        ),
        f"{LABEL_GAN} paints an eye in one colour of {', '.join(COLOURS)}, such as 'a painted green eye'",
    ),
    TERRAIN: Vocabulary(
        {word: word for word in DIFFICULTIES},
        frozenset(
            [
                "a",
                "an",
                "the",
                "of",
                "from",
                "above",
                "terrain",
                "landscape",
                "ground",
                "height",
                "map",
                "relief",
                "difficulty",
            ]
        ),
        f"{TERRAIN} makes terrain of one difficulty of {', '.join(DIFFICULTIES)}, such as 'hard terrain from above'",
    ),
}


class NetworkSettings(SettingsGroup):
    """A clip of 128 x 128 pixels that walks smoothly from picture to picture; `seed` of the stage decides which.

    `walk_seconds`: from one picture to the next. `part_frames`: how many one part makes.
    """

    model: Literal["label-gan", "terrain-consistency"]
    prompt: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT)]
    frames: Annotated[Whole, Field(ge=1, le=3000)] = 50
    fps: Rate = "25"
    walk_seconds: Annotated[Number, Field(ge=0.2, le=60)] = 2.0
    part_frames: Annotated[Whole, Field(ge=10, le=500)] = 50

    @property
    def meaning(self) -> str:
        """What the prompt stands for. Raises `BadRequest` (`prompt_not_possible`)."""
        return VOCABULARIES[self.model].meaning(self.prompt)

    @property
    def leg(self) -> int:
        return max(1, round(Fraction(str(self.walk_seconds)) * Fraction(self.fps)))
