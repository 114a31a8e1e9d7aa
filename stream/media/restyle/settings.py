"""The settings of `restyle`. Pure."""

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from stream.media.checking import invalid
from stream.media.frames.checking import FilmSettings, checked
from stream.media.numbers import Amount
from stream.media.protocol import Settings
from stream.media.restyle.styles import STYLES

_LEFT_OF_LEAD_IN = 1 / 64
"""Of a picture's weight in what comes after it, when a part no longer looks so far back."""

Weight = Annotated[Amount, Field(gt=0, le=1000)]


class RestyleSettings(FilmSettings):
    """One of: `style`, a style by its name; `styles`, several with weights, which are blended; `picture`, an input that
    is a still picture, whose style is taken. `strength`: share of the styled picture, the rest is the source's.
    `steady`: share of the picture before, moved along with what is shown, in each picture. `lines`: the networks see
    pictures of at most so many lines, and paint broader strokes with fewer; the result has the source's size.
    """

    style: str | None = None
    styles: Annotated[dict[str, Weight], Field(max_length=len(STYLES))] | None = None
    picture: str | None = None
    strength: Annotated[Amount, Field(ge=0, le=1)] = 1.0
    steady: Annotated[Amount, Field(ge=0, le=0.8)] = 0.5
    lines: Annotated[int, Field(ge=64, le=720)] = 540

    @property
    def blend(self) -> dict[str, float]:
        """Styles by name with their weights; empty where a picture is the style."""
        return dict(self.styles or ({self.style: 1.0} if self.style else {}))

    @property
    def lead_in(self) -> int:
        """Pictures before a part that are styled for its sake and not kept."""
        if self.steady <= _LEFT_OF_LEAD_IN:
            return 1
        return math.ceil(math.log(_LEFT_OF_LEAD_IN) / math.log(self.steady))


def checked_style(settings: Settings, inputs: Sequence[str]) -> RestyleSettings:
    """Raises `BadRequest` `template_invalid`, which names the field."""
    picture = settings.get("picture")
    if picture is not None and picture not in inputs:
        raise invalid("picture", f"there is no input {str(picture)[:40]!r}; there are {', '.join(inputs) or 'none'}")
    asked = checked(RestyleSettings, settings, [name for name in inputs if name != picture])
    given = [name for name in ("style", "styles", "picture") if getattr(asked, name) is not None]
    if len(given) != 1:
        raise invalid("style", "give one of style, styles and picture")
    for name in asked.blend:
        if name not in STYLES:
            raise invalid(given[0], f"there is no style {name[:40]!r}; there are {', '.join(STYLES)}")
    if asked.styles is not None and not asked.styles:
        raise invalid("styles", "give at least one style with its weight")
    return asked
