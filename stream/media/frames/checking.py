"""Settings of operators that take one film, as models of pydantic."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from stream.media.checking import chosen_input, validated
from stream.media.protocol import Settings

AnySettings = TypeVar("AnySettings", bound="FilmSettings")


class FilmSettings(BaseModel):
    """`input`: the film; it may be left out where there is one input alone. `part_frames`: pictures of the result that
    are made in one part, at most; by itself a part is about a minute of work.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input: str = ""
    part_frames: Annotated[int, Field(ge=1, le=10_000)] | None = None

    def step(self, most: int) -> int:
        """Pictures of a part, of which an operator does `most` in one."""
        return max(1, min(most, self.part_frames or most))


def checked(kind: type[AnySettings], settings: Settings, inputs: Sequence[str]) -> AnySettings:
    """With all defaults, and the input named. Raises `BadRequest` `template_invalid`, which names the field."""
    asked = validated(kind, settings)
    return asked.model_copy(update={"input": chosen_input("input", asked.input, inputs)})
