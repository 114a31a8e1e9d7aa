"""Settings of operators that take one film, as models of pydantic."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream.errors import BadRequest
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
    try:
        asked = kind.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part)[:40] for part in first["loc"]) or "settings"
        raise invalid(field, first["msg"].removeprefix("Value error, ")) from None
    return asked.model_copy(update={"input": chosen("input", asked.input, inputs)})


def chosen(field: str, name: str, inputs: Sequence[str]) -> str:
    """The input that a field names. Raises `BadRequest` `template_invalid`."""
    if name and name not in inputs:
        raise invalid(field, f"there is no input {name[:40]!r}; there are {', '.join(inputs) or 'none'}")
    if not name and len(inputs) != 1:
        raise invalid(field, f"say which input: there are {', '.join(inputs) or 'none'}")
    return name or inputs[0]


def invalid(field: str, wrong: str) -> BadRequest:
    return BadRequest(f"{field}: {wrong}", code="template_invalid")
