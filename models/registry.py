"""Loads models by name: `name`, `name:ARGUMENT` (such as `hf:DIR`) or `package.module:Class` from another package."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import REGISTRY
from models.weights.fetch import WeightsCache
from stream.errors import Fatal, StageError, unexpected


@dataclass(frozen=True, slots=True)
class ModelContext:
    """What a model is built from. `argument` is the part after the name (`hf:DIR`)."""

    cache: WeightsCache
    threads: int = 2
    device: str = "cpu"
    argument: str = ""

    @classmethod
    def of(cls, cache_dir: Path, *, threads: int = 2, device: str = "cpu") -> "ModelContext":
        return cls(WeightsCache(cache_dir), threads, device)


def load(family: str, name: str, context: ModelContext) -> Any:
    """A model that is not opened. Raises `Fatal` (`unknown_model`) with the names that exist."""
    known = REGISTRY[family]
    head, _, argument = name.partition(":")
    if head in known:
        target = known[head]
    # Another package's class, as `module:Class`: an identifier after the colon and a dot in front.
    elif "." in head and argument.isidentifier():
        target, argument = name, ""
    else:
        choices = ", ".join(sorted(known))
        raise Fatal(f"no {family} {name!r}; choose {choices}, or package.module:Class", code="unknown_model")
    module, _, attribute = target.partition(":")
    try:
        made = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise Fatal(f"cannot load {family} {name!r}: {error}", code="unknown_model") from error
    try:
        return made(ModelContext(context.cache, context.threads, context.device, argument))
    except StageError:
        raise
    # Another package's class may raise anything: it becomes one message that names the model.
    except Exception as error:
        raise Fatal(f"cannot load {family} {name!r}: {unexpected(error).message}", code="unknown_model") from error
