"""Shot boundaries with TransNet V2 on the dense 25 Hz grid."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.device import limit_threads
from models.protocol import Floats
from models.registry import ModelContext
from models.weights import digest_of
from stream.events.annotations import ModelStamp
from stream.events.grid import CONTEXT_TICKS

WINDOW = 100
STEP = 50


class TransNetShots:
    """Windows of 100 ticks every 50, of which the middle 50 count. Windows lie on the asset's own grid, so a result
    does not depend on how the footage was cut into spans. One window at a time: batching gains nothing on a CPU.
    """

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._network: Any = None

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="shots", name="transnetv2", version="1", digest=digest_of("transnetv2"))

    def open(self) -> None:
        limit_threads(self._context)
        import torch

        from models.transnet import TransNetV2

        network = TransNetV2()
        path = self._context.cache.file("transnetv2")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._network = network.eval().to(self._context.device)

    def close(self) -> None:
        self._network = None

    def cut_probabilities(self, dense: npt.NDArray[np.uint8]) -> Floats:
        import torch

        windows = range(0, len(dense) - 2 * CONTEXT_TICKS, STEP)
        kept = []
        with torch.inference_mode():
            for first in windows:
                window = torch.from_numpy(np.array(dense[first : first + WINDOW]))[None].to(self._context.device)
                logits = self._network(window)[0, CONTEXT_TICKS : CONTEXT_TICKS + STEP]
                kept.append(torch.sigmoid(logits).float().cpu().numpy())
        return np.concatenate(kept)
