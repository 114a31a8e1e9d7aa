"""What is wrong with settings, in words that name the field (pure)."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from stream.errors import BadRequest
from stream.media.protocol import Settings

Model = TypeVar("Model", bound=BaseModel)


def validated(kind: type[Model], settings: Settings) -> Model:
    """Raises `BadRequest` (`template_invalid`). No value is repeated: one may be a prompt."""
    try:
        return kind.model_validate(dict(settings))
    except ValidationError as error:
        told = [
            f"{'.'.join(str(step) for step in item['loc']) or 'settings'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False, include_input=False)[:5]
        ]
        raise refused("; ".join(told)) from None


def no_inputs(inputs: Sequence[str], model: str) -> None:
    """Raises `BadRequest` (`template_invalid`) where there are any."""
    if inputs:
        raise refused(f"inputs: {model} takes none, and {len(inputs)} are given")


def refused(problem: str) -> BadRequest:
    return BadRequest(problem, code="template_invalid")
