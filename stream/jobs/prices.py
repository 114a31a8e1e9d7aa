"""What units cost: a table of prices, written as TOML for a deployment. Without one nothing is priced."""

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from stream.errors import BadRequest

GIB = 1 << 30
Price = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
_DIGITS = 6


class PriceTable(BaseModel):
    """Money for a unit, in one currency (ISO 4217). A unit that is not named costs nothing of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    cpu_hour: Price = 0.0
    gpu_hour: Price = 0.0
    stored_gib_hour: Price = 0.0
    delivered_gib: Price = 0.0

    @classmethod
    def read(cls, content: bytes, name: str) -> Self:
        """Raises `BadRequest` (`prices_invalid`), with the field that is wrong."""
        try:
            return cls.model_validate(_floats(tomllib.loads(content.decode("utf-8"))))
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(step) for step in wrong["loc"]) or "the file"
            raise _invalid(name, f"{field}: {wrong['msg'].lower()}") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise _invalid(name, f"it is no TOML ({error})") from None

    def money(self, units: Mapping[str, Any]) -> dict[str, Any]:
        """Of what `Spending.units` says: each kind of unit, all together, and how much of it was wasted."""
        each = {
            "cpu": units["cpu_s"] / 3600 * self.cpu_hour,
            "gpu": units["gpu_s"] / 3600 * self.gpu_hour,
            "stored": units["stored_byte_hours"] / GIB * self.stored_gib_hour,
            "delivered": units["delivered_bytes"] / GIB * self.delivered_gib,
        }
        wasted = units["wasted_cpu_s"] / 3600 * self.cpu_hour + units["wasted_gpu_s"] / 3600 * self.gpu_hour
        amounts = {**each, "total": sum(each.values()), "wasted": wasted}
        return {"currency": self.currency, **{name: round(amount, _DIGITS) for name, amount in amounts.items()}}


def _floats(values: dict[str, Any]) -> dict[str, Any]:
    """Prices may be written as whole numbers."""
    return {
        name: float(value) if type(value) is int and abs(value) < 2**53 else value for name, value in values.items()
    }


def _invalid(name: str, why: str) -> BadRequest:
    return BadRequest(
        f'the price table {name} cannot be used: {why}. It is TOML, such as `currency = "EUR"` and `cpu_hour = 0.04`;'
        " the other prices are gpu_hour, stored_gib_hour and delivered_gib",
        code="prices_invalid",
    )
