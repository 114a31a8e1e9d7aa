"""Two-tower checkpoints (CLIP, SigLIP) in Hugging Face layout, as an embedding space for text and image queries."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from models.device.device import limit_threads, ready_device
from models.pictures.geometry import unit_rows
from models.protocol import Calibration, Floats, Image, Predictions
from models.registry import ModelContext
from models.weights.hugging_face import (
    checkpoint_config,
    checkpoint_digest,
    checkpoint_dir,
    from_checkpoint,
    network_from,
    quiet_loading,
)
from stream.errors import Fatal
from stream.events.annotations import ModelStamp, Space

CUDA_BATCH = 64


class HuggingFaceTwoTower:
    """`hf:DIR`. The checkpoint's own towers embed images and words (`get_image_features`, `get_text_features`). It is
    not calibrated, so no hit counts as weak.

    On a CPU it runs one item at a time. On CUDA it fills batches to a fixed size, in float16 (which keeps three bits
    more than bfloat16 against float32). In both cases a result does not depend on other items.
    """

    calibration: Calibration | None = None

    def __init__(self, context: ModelContext) -> None:
        self._directory: Path = checkpoint_dir(context.argument)
        self._context = context
        self._device = context.device
        self.batch = 1 if context.device == "cpu" else CUDA_BATCH
        """Items per batch; batches of more than one run in half precision."""
        self._network: Any = None
        self._processor: Any = None

    @cached_property
    def space(self) -> Space:
        # The name becomes part of a table's name, so only safe characters stay.
        name = re.sub(r"[^a-z0-9]+", "_", self._directory.name.lower()).strip("_") or "hf"
        return Space(
            name=name[:40],
            digest=checkpoint_digest(self._directory),
            dimensions=self._dimensions(),
            spec=f"hf:{self._directory}",
        )

    def _dimensions(self) -> int:
        config = checkpoint_config(self._directory)
        vision = config.get("vision_config")
        inner = vision if isinstance(vision, dict) else {}
        # CLIP states `projection_dim`; SigLIP has none and uses the width of its vision tower.
        found = config.get("projection_dim") or inner.get("projection_dim") or inner.get("hidden_size")
        if not isinstance(found, int):
            found = _default_dimensions(self._directory)
        if found is None:
            raise Fatal(
                f"{self._directory} is not a two-tower checkpoint: config.json names no embedding size",
                code="bad_checkpoint",
            )
        return found

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="embedding", name=self.space.name, version="1", digest=self.space.digest)

    def open(self) -> None:
        limit_threads(self._context)
        quiet_loading()
        from transformers import AutoModel, AutoProcessor

        network = network_from(AutoModel, self._directory, ready_device(self._context))
        # `AutoModel` also loads encoders of one kind: checked here and not at the first picture.
        if not hasattr(network, "get_image_features") or not hasattr(network, "get_text_features"):
            raise Fatal(f"{self._directory} has no image and text towers", code="bad_checkpoint")
        self._network = network
        self._processor = from_checkpoint(AutoProcessor, self._directory)

    def close(self) -> None:
        self._network = self._processor = None

    def embed(self, images: Sequence[Image], predictions: Predictions) -> Floats:  # noqa: ARG002 - own towers
        from PIL import Image as Pillow

        inputs = (self._inputs(images=Pillow.fromarray(image)) for image in images)
        return self._rows(self._network.get_image_features, inputs)

    def embed_images(self, images: Sequence[Image], predictions: Predictions) -> Floats:
        return self.embed(images, predictions)

    def embed_text(self, texts: Sequence[str]) -> Floats:
        # SigLIP was trained on text that is padded to the full length. CLIP masks padding, so it does no harm there.
        inputs = (self._inputs(text=[text], padding="max_length", truncation=True) for text in texts)
        return self._rows(self._network.get_text_features, inputs)

    def _inputs(self, **arguments: Any) -> Any:
        return self._processor(return_tensors="pt", **arguments)

    def _rows(self, tower: Callable[..., Any], inputs: Iterator[Any]) -> Floats:
        """One row per item, fetched after all are queued: the device computes while the host prepares."""
        import torch

        queued = []
        half = torch.autocast(self._device, torch.float16, enabled=self.batch > 1)
        with torch.inference_mode(), half:
            while part := list(islice(inputs, self.batch)):
                # The last item fills the batch: its shape fits, and its extra rows are dropped below.
                filled = part + part[-1:] * (self.batch - len(part))
                joined = {name: torch.cat([item[name] for item in filled]).to(self._device) for name in part[0]}
                queued.append(_pooled(tower(**joined))[: len(part)].float())
            rows = torch.cat(queued).cpu().numpy() if queued else np.empty((0, self.space.dimensions), np.float32)
        return unit_rows(rows)


def _default_dimensions(directory: Path) -> int | None:
    """The embedding size from the architecture's defaults. Repositories omit default values, and SigLIP's base models
    omit even the width.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except (ValueError, OSError):
        return None
    found = getattr(getattr(config, "vision_config", None), "hidden_size", None)
    return found if isinstance(found, int) else None


def _pooled(output: Any) -> Any:
    """The tensor [n, d] of a tower. Newer versions of transformers wrap it in an output object."""
    return getattr(output, "pooler_output", output)
