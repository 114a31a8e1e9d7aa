"""Where a denoising stands after a step, in files: enough to go on to the bit, in any process."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stream.media.generate.diffusion.packing import Tensors, packed, unpacked
from stream.media.generate.diffusion.problems import latents_unusable

STATE, PROMPT = "state.safetensors", "prompt.safetensors"
LAYOUT = 1
_HEADER = "rushes"
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class DenoisingState:
    """After `done` steps. `outputs`: what the scheduler's last step gave, the latents first. `scheduler`: its state, by
    name. `generator` and `torch_rng`: of random numbers, as stochastic schedulers use both. `shape` and `dtype`: of
    what the network gives. `prompt`: what the text encoder gave; None for a model that takes no words.
    """

    done: int
    outputs: tuple[torch.Tensor, ...]
    scheduler: Mapping[str, Any]
    generator: torch.Tensor
    torch_rng: torch.Tensor
    shape: tuple[int, ...]
    dtype: str
    prompt: tuple[Any, ...] | None

    def save(self, folder: Path, model: str) -> None:
        """Two files: what the text encoder gave stays the same, so as an object it is stored once for all steps.
        `model`: the digest of the model.
        """
        tensors: Tensors = {}
        told = {"layout": LAYOUT, "model": model, "done": self.done, **self._packed(tensors)}
        _write(folder / STATE, told, tensors)
        words: Tensors = {}
        _write(folder / PROMPT, {"prompt": packed(self.prompt, words, "prompt")}, words)

    def save_whole(self, path: Path, model: str, facts: Mapping[str, Any], picture: torch.Tensor | None) -> None:
        """One file with all that decoding needs: `facts` are JSON, `picture` the one that it began with."""
        tensors: Tensors = {}
        told = {"layout": LAYOUT, "model": model, "done": self.done, **self._packed(tensors), "facts": dict(facts)}
        told["prompt"] = packed(self.prompt, tensors, "prompt")
        told["picture"] = packed(picture, tensors, "picture")
        _write(path, told, tensors)

    def _packed(self, tensors: Tensors) -> dict[str, Any]:
        fields = {"outputs": self.outputs, "scheduler": dict(self.scheduler)}
        fields |= {"generator": self.generator, "torch_rng": self.torch_rng}
        told = {name: packed(value, tensors, name) for name, value in fields.items()}
        return told | {"shape": list(self.shape), "dtype": self.dtype}

    @classmethod
    def load(cls, folder: Path, model: str) -> "DenoisingState":
        """Of `save`. Raises `BadMedia` (`latents_unusable`)."""
        told, tensors = _read(folder / STATE)
        words, encoded = _read(folder / PROMPT)
        return _used(lambda: cls._of(told, tensors, model, unpacked(words["prompt"], encoded)))

    @classmethod
    def load_whole(cls, path: Path, model: str) -> tuple["DenoisingState", Mapping[str, Any], torch.Tensor | None]:
        """Of `save_whole`. Raises `BadMedia` (`latents_unusable`), also where another model made it."""
        told, tensors = _read(path)
        return _used(
            lambda: (
                cls._of(told, tensors, model, unpacked(told["prompt"], tensors)),
                dict(told["facts"]),
                unpacked(told["picture"], tensors),
            )
        )

    @classmethod
    def _of(
        cls, told: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], model: str, prompt: Any
    ) -> "DenoisingState":
        if told["layout"] != LAYOUT:
            raise latents_unusable("another release wrote them")
        if told["model"] != model:
            raise latents_unusable("another model, or other weights of it, made them")
        return cls(
            done=int(told["done"]),
            outputs=tuple(unpacked(told["outputs"], tensors)),
            scheduler=unpacked(told["scheduler"], tensors),
            generator=unpacked(told["generator"], tensors),
            torch_rng=unpacked(told["torch_rng"], tensors),
            shape=tuple(int(side) for side in told["shape"]),
            dtype=str(told["dtype"]),
            prompt=None if prompt is None else tuple(prompt),
        )


def _write(path: Path, told: Mapping[str, Any], tensors: Tensors) -> None:
    # Tensors that share memory are refused, and were cloned; one key in the header, as its order is not fixed.
    save_file(tensors, path, metadata={_HEADER: json.dumps(told, sort_keys=True)})


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    def read() -> tuple[dict[str, Any], Tensors]:
        with safe_open(path, framework="pt", device="cpu") as file:
            told = json.loads(file.metadata()[_HEADER])
            return dict(told), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping

    return _used(read)


def _used(read: Callable[[], Read]) -> Read:
    try:
        return read()
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise latents_unusable("they are damaged, or are no latents") from None
