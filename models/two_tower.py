"""Two-tower checkpoints (CLIP, SigLIP) as Hugging Face lays them out, as an embedding space with both query sides."""

import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from models.device import limit_threads
from models.hf import checkpoint_digest, checkpoint_dir, from_checkpoint, network_from, quiet_loading
from models.images import unit_rows
from models.protocol import Floats, Image, Predictions
from models.registry import ModelContext
from stream.errors import Fatal
from stream.events.annotations import ModelStamp, Space


class HuggingFaceTwoTower:
    """`hf:DIR`. Images and words are embedded by the checkpoint's own towers (`get_image_features`,
    `get_text_features`), one item at a time so that no neighbour can matter. Never calibrated: no hit is called weak.
    """

    weak_below: float | None = None

    def __init__(self, context: ModelContext) -> None:
        self._directory: Path = checkpoint_dir(context.argument)
        self._context = context
        self._device = context.device
        self._network: Any = None
        self._processor: Any = None

    @cached_property
    def space(self) -> Space:
        name = re.sub(r"[^a-z0-9]+", "_", self._directory.name.lower()).strip("_") or "hf"
        return Space(
            name=name[:40],
            digest=checkpoint_digest(self._directory),
            dimensions=self._dimensions(),
            spec=f"hf:{self._directory}",
        )

    def _dimensions(self) -> int:
        config = json.loads((self._directory / "config.json").read_text())
        vision = config.get("vision_config") or {}
        found = config.get("projection_dim") or vision.get("projection_dim") or vision.get("hidden_size")
        if not isinstance(found, int):
            found = _default_dimensions(self._directory)
        if found is None:
            raise Fatal(
                f"{self._directory} is no two-tower checkpoint: config.json names no embedding size",
                code="bad_checkpoint",
            )
        return found

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="embedding", name=self.space.name, version="1", digest=self.space.digest)

    def open(self) -> None:
        limit_threads(self._context)
        quiet_loading()
        from transformers import AutoModel, AutoProcessor

        network = network_from(AutoModel, self._directory, self._device)
        if not hasattr(network, "get_image_features") or not hasattr(network, "get_text_features"):
            raise Fatal(f"{self._directory} has no image and text towers", code="bad_checkpoint")
        self._network = network
        self._processor = from_checkpoint(AutoProcessor, self._directory)

    def close(self) -> None:
        self._network = self._processor = None

    def embed(self, images: Sequence[Image], predictions: Predictions) -> Floats:  # noqa: ARG002 - own towers
        from PIL import Image as Pillow

        return self._rows(
            self._network.get_image_features(**self._inputs(images=Pillow.fromarray(image))) for image in images
        )

    def embed_images(self, images: Sequence[Image], predictions: Predictions) -> Floats:
        return self.embed(images, predictions)

    def embed_text(self, texts: Sequence[str]) -> Floats:
        # SigLIP was trained on text padded to the full length; CLIP's mask makes padding harmless.
        return self._rows(
            self._network.get_text_features(**self._inputs(text=[text], padding="max_length", truncation=True))
            for text in texts
        )

    def _inputs(self, **arguments: Any) -> Any:
        return self._processor(return_tensors="pt", **arguments).to(self._device)

    def _rows(self, features: Any) -> Floats:
        import torch

        with torch.inference_mode():
            rows = [_pooled(item)[0].float().cpu().numpy() for item in features]
        return unit_rows(np.array(rows, np.float32).reshape(-1, self.space.dimensions))


def _default_dimensions(directory: Path) -> int | None:
    """Repositories leave out what is their architecture's default, SigLIP's base models even the width."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except (ValueError, OSError):
        return None
    found = getattr(getattr(config, "vision_config", None), "hidden_size", None)
    return found if isinstance(found, int) else None


def _pooled(output: Any) -> Any:
    """A tensor [1, d]; newer transformers wrap it in an output object."""
    return getattr(output, "pooler_output", output)
