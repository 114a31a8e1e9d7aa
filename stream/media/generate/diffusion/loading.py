"""A pipeline from its directory: from safetensors, without remote code, and with no more of it than is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from stream.errors import BadMedia, StageError
from stream.media.generate.diffusion.directories import Directory
from stream.media.generate.diffusion.families import DENOISERS, TEXT_ENCODERS, WITHOUT_WEIGHTS


@dataclass(frozen=True, slots=True)
class _Kept:
    digest: str
    without: frozenset[str]
    pipeline: Any


_kept: list[_Kept] = []
"""At most one: a child works on parts of the same stage in a row, and its memory is bounded."""


def loaded(model: Directory, *, text: bool, network: bool) -> Any:
    """The pipeline on the CPU, in float32. Without `text` it has no text encoder, and without `network` a denoiser
    that has a shape but no weights. Raises `BadMedia` (`model_refused`).
    """
    without = frozenset(
        name
        for name in model.components
        if (name in TEXT_ENCODERS and not text) or (name in DENOISERS and not network and not _adapted(model))
    )
    if _kept and _kept[0].digest == model.digest and _kept[0].without <= without:
        return _kept[0].pipeline
    # First the old one goes, so that there are never two in memory.
    forget()
    with _told(model):
        pipeline = _loaded(model, without)
    _require_all_weights(model, pipeline, without)
    _kept.append(_Kept(model.digest, without, pipeline))
    return pipeline


def forget() -> None:
    """Let go of what is kept for the next part."""
    _kept.clear()


def _adapted(model: Directory) -> bool:
    """Whether the denoiser is put together from two components when the pipeline is made."""
    return "motion_adapter" in model.components


def _loaded(model: Directory, without: frozenset[str]) -> Any:
    import diffusers
    from diffusers.utils import logging
    from transformers.utils import logging as transformers_logging

    for library in (logging, transformers_logging):
        # Messages of libraries may repeat a prompt.
        library.set_verbosity(50)
        library.disable_progress_bar()
    given = {name: None if name in TEXT_ENCODERS else _empty(model, name) for name in without}
    kind = getattr(diffusers, model.pipeline)
    pipeline = kind.from_pretrained(
        model.path,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        torch_dtype=torch.float32,
        **given,
    )
    pipeline.set_progress_bar_config(disable=True)
    # The first component decides where it computes otherwise, and an empty network is nowhere.
    cpu = torch.device("cpu")
    pipeline.__class__ = type(kind.__name__, (kind,), {"_execution_device": cpu, "device": cpu})
    return pipeline


def _require_all_weights(model: Directory, pipeline: Any, without: frozenset[str]) -> None:
    """What a file of weights lacks, libraries fill with random numbers and a warning. Raises `BadMedia`."""
    for name in model.components.keys() - without - WITHOUT_WEIGHTS:
        folders = [name, "motion_adapter"] if name == "unet" and _adapted(model) else [name]
        there = sum(_elements(file) for each in folders for file in (model.path / each).glob("*.safetensors"))
        # Tied weights are one tensor under several names.
        unique = {each.data_ptr() or id(each): each.numel() for each in getattr(pipeline, name).parameters()}
        if sum(unique.values()) > there:
            raise BadMedia(f"model: {model.name}: {name} has fewer weights than its config says", code="model_refused")


def _elements(file: Path) -> int:
    with safe_open(file, framework="pt") as opened:
        return sum(prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118 - no mapping


def _empty(model: Directory, component: str) -> Any:
    import diffusers

    kind = getattr(diffusers, model.components[component][1])
    with torch.device("meta"):
        return kind.from_config(kind.load_config(model.path / component, local_files_only=True))


@contextmanager
def _told(model: Directory) -> Iterator[None]:
    """What libraries raise for a directory that they cannot load, in words. A lack of memory stays one."""
    try:
        yield
    except (StageError, MemoryError):
        raise
    except Exception as error:
        if lacks_memory(error):
            raise MemoryError from error
        reason = str(error).strip().partition("\n")[0][:200].replace(str(model.path), model.name)
        raise BadMedia(
            f"model: {model.name} does not load ({type(error).__name__}: {reason})", code="model_refused"
        ) from error


def lacks_memory(error: Exception) -> bool:
    """Torch raises `RuntimeError` where the system gives no memory."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error)
