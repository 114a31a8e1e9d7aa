"""What is wrong with an operator's settings, in words that name the field (pure)."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from stream.errors import BadRequest
from stream.media.protocol import Settings

Model = TypeVar("Model", bound=BaseModel)
_MOST_TOLD = 5


def validated(kind: type[Model], settings: Settings) -> Model:
    """Raises `BadRequest` (`template_invalid`). No value is repeated: one may be a prompt."""
    try:
        return kind.model_validate(dict(settings))
    except ValidationError as error:
        told = [
            f"{'.'.join(str(step)[:40] for step in item['loc']) or 'settings'}:"
            f" {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False, include_input=False)[:_MOST_TOLD]
        ]
        raise refused("; ".join(told)) from None


def chosen_input(field: str, name: str, inputs: Sequence[str]) -> str:
    """The input that a field names, or the only one where it names none. Raises `BadRequest` (`template_invalid`)."""
    if name and name not in inputs:
        raise invalid(field, f"there is no input {name[:40]!r}; there are {', '.join(inputs) or 'none'}")
    if not name and len(inputs) != 1:
        raise invalid(field, f"say which input: there are {', '.join(inputs) or 'none'}")
    return name or inputs[0]


def no_inputs(inputs: Sequence[str], model: str) -> None:
    """Raises `BadRequest` (`template_invalid`) where there are any."""
    if inputs:
        raise invalid("inputs", f"{model} takes none, and {len(inputs)} are given")


def invalid(field: str, wrong: str) -> BadRequest:
    return refused(f"{field}: {wrong}")


def refused(problem: str) -> BadRequest:
    return BadRequest(problem, code="template_invalid")
