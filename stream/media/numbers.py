"""Numbers as templates and rows write them, read strictly (pure).

Python's own readers take more: `Fraction` makes a number of a billion digits of `1e999999999`, and all of them take
`1_000` and the digits of any script, so that one number would have several keys.
"""

import re
from fractions import Fraction
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,17})?")
_RATE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,17}|/(?!0+\Z)[0-9]{1,6})?")


def plain_number(value: object) -> object:
    """The value, where it is a number or a text that spells one; pydantic would read true as 1. Raises `ValueError`."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("a number is wanted, such as 12.5")
    return value


def exact_rate(value: object) -> Fraction | None:
    """What a number, or a text such as 25, 23.976 or 30000/1001 says exactly; None where it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    # Python refuses to write the longest whole numbers at all.
    text = value if isinstance(value, str) else f"{value}" if abs(value) < 1e6 else ""
    return Fraction(text) if _RATE.fullmatch(text) else None


Amount: TypeAlias = Annotated[float, BeforeValidator(plain_number), Field(strict=False)]
"""A number in a strict model, also as a text: values of rows are often quoted."""
