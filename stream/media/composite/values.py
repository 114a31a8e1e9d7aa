"""Values that many settings share: colours, lengths, rates, names of inputs (pure)."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from stream.media.numbers import exact_rate, plain_number

MAX_SECONDS = 3600
_PERCENT = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,4})?%")
_MAX_PIXELS = 16_384


class SettingsGroup(BaseModel):
    """Settings that belong together. Unknown names are mistakes: a person has written them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _length(value: object) -> float | str:
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return value
    try:
        pixels = float(plain_number(value))  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        raise ValueError("a length is a number of pixels, or a percentage such as '12.5%'") from None
    if not -_MAX_PIXELS <= pixels <= _MAX_PIXELS:
        raise ValueError(f"a length has at most {_MAX_PIXELS} pixels")
    return pixels


def _positive(value: float | str) -> float | str:
    if pixels(value, 100) <= 0:
        raise ValueError("it must be more than nothing")
    return value


def _rate(value: object) -> str:
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")
    rate = None if isinstance(value, float) and not value.is_integer() else exact_rate(value)
    if rate is None or (isinstance(value, str) and "." in value):
        raise ValueError("a frame rate is a whole number, or a fraction such as '30000/1001'")
    if not 1 <= rate <= 120:
        raise ValueError("a frame rate is between 1 and 120")
    return str(rate)


Length: TypeAlias = Annotated[float | str, BeforeValidator(_length)]
"""Pixels, or percent of the canvas: of its width or height by what is measured, and of its shorter side for sizes."""
PositiveLength: TypeAlias = Annotated[Length, AfterValidator(_positive)]
Rate: TypeAlias = Annotated[str, BeforeValidator(_rate)]
Number: TypeAlias = Annotated[float, BeforeValidator(plain_number)]
Whole: TypeAlias = Annotated[int, BeforeValidator(plain_number)]
Seconds: TypeAlias = Annotated[Number, Field(ge=0, le=MAX_SECONDS)]
Share: TypeAlias = Annotated[Number, Field(ge=0, le=1)]
Colour: TypeAlias = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$")]
"""`#RRGGBB` or `#RRGGBBAA`."""
Input: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64)]
"""The name of an input of the stage."""


def pixels(length: float | str, whole: int) -> float:
    """A length in pixels, where 100 % are `whole` pixels."""
    if isinstance(length, str):
        return float(length.removesuffix("%")) * whole / 100
    return length


def rgba(colour: str) -> tuple[int, int, int, int]:
    red, green, blue, alpha = bytes.fromhex(colour[1:].ljust(8, "f"))
    return red, green, blue, alpha
