"""Shot boundaries with TransNet V2 on the dense 25 Hz grid."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from models.device import limit_threads, ready_device
from models.protocol import Floats
from models.registry import ModelContext
from models.weights import digest_of
from stream.events.annotations import ModelStamp
from stream.events.grid import CONTEXT_TICKS, TICKS_PER_SEGMENT

WINDOW = 100
STEP = 50
Dense = npt.NDArray[np.uint8]


class TransNetShots:
    """Windows of 100 ticks every 50, of which the middle 50 count. Windows lie on the asset's own grid, so a result
    does not depend on how the footage was cut into spans. One window at a time on a CPU, where batching gains nothing;
    a cell's five windows together on CUDA. float32 everywhere: half precision moves logits by up to 0.1.
    """

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._cut_probabilities: Callable[[Dense], Floats] | None = None

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="shots", name="transnetv2", version="1", digest=digest_of("transnetv2"))

    def open(self) -> None:
        limit_threads(self._context)
        import torch

        from models.transnet import TransNetV2

        device = ready_device(self._context)
        network = TransNetV2()
        path = self._context.cache.file("transnetv2")
        network.load_checkpoint(torch.load(path, map_location="cpu", weights_only=True))
        windows = 1 if device == "cpu" else TICKS_PER_SEGMENT // STEP
        self._cut_probabilities = self.batched(network.eval().to(device), device, windows=windows)

    def close(self) -> None:
        self._cut_probabilities = None

    def cut_probabilities(self, dense: Dense) -> Floats:
        assert self._cut_probabilities is not None, "open comes first"
        return self._cut_probabilities(dense)

    @staticmethod
    def batched(network: Any, device: str, *, windows: int) -> Callable[[Dense], Floats]:
        """`cut_probabilities` by `windows` windows at a time, the last ones filled up with black."""
        import torch

        def run(dense: Dense) -> Floats:
            starts = range(0, len(dense) - 2 * CONTEXT_TICKS, STEP)
            kept = []
            for first in range(0, len(starts), windows):
                chosen = starts[first : first + windows]
                batch = np.zeros((windows, WINDOW, *dense.shape[1:]), np.uint8)
                batch[: len(chosen)] = [dense[start : start + WINDOW] for start in chosen]
                with torch.inference_mode():
                    logits = network(torch.from_numpy(batch).to(device))[:, CONTEXT_TICKS : CONTEXT_TICKS + STEP]
                    kept.append(torch.sigmoid(logits[: len(chosen)]).flatten().cpu().numpy())
            return np.concatenate(kept)

        return run
