"""What the operator asks of a network whose weights are pinned: noise in, one picture out."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stream.media.generate.walk import Noise

SIDE = 128
"""Both networks know pictures of this size alone."""
Rgb = npt.NDArray[np.uint8]


class Network(Protocol):
    """Loaded weights. One picture at a time: a batch of another size would round otherwise."""

    shape: tuple[int, ...]
    """Of the noise of one picture."""

    def picture(self, noise: Noise) -> Rgb:
        """uint8 [SIDE, SIDE, 3]."""


class NetworkLoader(Protocol):
    """Loads weights from a file whose digest is known. `meaning`: what the prompt stands for."""

    def __call__(self, weights: Path, meaning: str) -> Network: ...
