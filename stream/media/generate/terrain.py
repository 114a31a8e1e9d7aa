"""A consistency model of terrain: noise to a height map in one step (weights of adaptive-terrain-diffusion, MIT).

Song et al. 2023 (consistency models), with the noise levels of Karras et al. 2022.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from stream.media.generate.networks import SIDE, Rgb
from stream.media.generate.settings import DIFFICULTIES
from stream.media.generate.walk import Noise

"""Words to the model's labels of 1 to 100."""
_SIGMA = np.float32(80.0)
_HEIGHT_M, _BEND_M = 22.16864013671875, 0.1
_CELL_M = 0.25
_LIGHT = np.array([-1, -1, 1.5], np.float32) / np.float32(np.sqrt(4.25))
_TINTS = np.array([[58, 92, 62], [128, 138, 84], [168, 140, 102], [236, 232, 226]], np.float32)


class Terrain:
    """Implements `Network`. A picture is the height map from above, tinted by height and lit from the upper left."""

    shape: tuple[int, ...] = (SIDE, SIDE)

    def __init__(self, weights: Path, meaning: str) -> None:
        self._session = _loaded(weights)
        self._label = np.array([(DIFFICULTIES[meaning] - 1) / 99], np.float32)

    def picture(self, noise: Noise) -> Rgb:
        feeds = {
            "noisy": (noise * _SIGMA)[None, None],
            "sigma": np.array([_SIGMA]),
            "difficulty": self._label,
        }
        (made,) = self._session.run(["denoised"], feeds)
        return _lit(_heights(made[0, 0]))


def _heights(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Metres above the lowest point. The model was trained on a scale that spreads small heights."""
    share = np.clip((values + 1) * 0.5, 0, 1)
    heights = _BEND_M * np.sinh(share * np.arcsinh(_HEIGHT_M / _BEND_M))
    return np.asarray(heights - heights.min(), np.float32)


def _lit(heights: npt.NDArray[np.float32]) -> Rgb:
    share = heights / max(float(heights.max()), 1e-6) * (len(_TINTS) - 1)
    lower = np.minimum(share.astype(np.int64), len(_TINTS) - 2)
    part = (share - lower)[..., None]
    tint = _TINTS[lower] * (1 - part) + _TINTS[lower + 1] * part
    down, right = np.gradient(heights, _CELL_M)
    slopes = np.stack([-right, -down, np.ones_like(heights)], -1)
    light = (slopes @ _LIGHT) / np.linalg.norm(slopes, axis=-1)
    shaded = tint * (0.35 + 0.75 * light.clip(0, 1))[..., None]
    return np.asarray(np.rint(shaded.clip(0, 255)), np.uint8)


@lru_cache(maxsize=1)
def _loaded(weights: Path) -> Any:
    options = onnxruntime.SessionOptions()
    # One thread: sums in another order round otherwise.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(weights.read_bytes(), options, providers=["CPUExecutionProvider"])
