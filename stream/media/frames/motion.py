"""Motion between two pictures: dense inverse search (DIS, Kroeger et al. 2016, arXiv:1603.03590) both ways, and where
the two agree. A pixel without a match in the other picture is covered there, or leaves it.
"""

from dataclasses import dataclass
from importlib import metadata
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from stream.media.frames.film import Pixels

Floats: TypeAlias = npt.NDArray[np.float32]
Greys: TypeAlias = npt.NDArray[np.uint8]
"""[h, w], 8 bit."""
MOST_SIDE = 960
"""Motion of larger pictures is looked for in smaller copies."""
_LEAST_SIDE = 32
_RELATIVE, _ABSOLUTE = 0.01, 0.5
"""Sundaram, Brox and Keutzer 2010: how far there and back may lead from the start, in squared pixels."""

# Threads divide the picture, and its parts begin from other neighbours.
cv2.setNumThreads(1)
cv2.ocl.setUseOpenCL(False)


@dataclass(frozen=True, slots=True)
class Motion:
    """`ahead` [h, w, 2]: where each pixel of the earlier picture is in the later one, as (x, y) in pixels from its own
    place; `back`: of the later in the earlier. `seen_ahead`, `seen_back` [h, w], 0 or 1: it is visible there.
    """

    ahead: Floats
    back: Floats
    seen_ahead: Floats
    seen_back: Floats


def versions() -> dict[str, str]:
    """For a toolchain."""
    return {"opencv": metadata.version("opencv-python-headless")}


def grey(picture: Pixels, bits: int = 8, most_side: int = MOST_SIDE) -> Greys:
    """Of [h, w], or [h, w, 3 or 4] whose first three are colours, with values of so many bits: what `motion` takes."""
    flat = picture if picture.ndim == 2 else picture[..., :3].mean(axis=2, dtype=np.float32)
    height, width = flat.shape
    scale = min(1.0, most_side / max(height, width))
    size = max(_LEAST_SIDE, round(width * scale)), max(_LEAST_SIDE, round(height * scale))
    small: Any = flat if size == (width, height) else cv2.resize(flat, size, interpolation=cv2.INTER_AREA)
    levels: Greys = np.clip(np.rint(small * np.float32(2.0 ** (8 - bits))), 0, 255).astype(np.uint8)
    return levels


def motion(earlier: Greys, later: Greys) -> Motion:
    """Of two pictures of `grey`."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    ahead, back = _found(finder, earlier, later), _found(finder, later, earlier)
    return Motion(ahead, back, _agreed(ahead, back), _agreed(back, ahead))


def scaled(flow: Floats, width: int, height: int) -> Floats:
    """The same motion for pictures of another size."""
    had_height, had_width = flow.shape[:2]
    if (had_width, had_height) == (width, height):
        return flow
    larger: Any = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    factors: Floats = np.array([width / had_width, height / had_height], np.float32)
    result: Floats = larger * factors
    return result


def fetched(picture: npt.NDArray[Any], flow: npt.NDArray[Any]) -> Floats:
    """For each pixel, what `picture` shows at its place plus the motion; places beyond an edge show the edge."""
    height, width = flow.shape[:2]
    # OpenCV takes no picture with a side above 32,767 here, which no film has.
    across = (flow[..., 0] + np.arange(width, dtype=np.float32)).astype(np.float32, copy=False)
    down = (flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]).astype(np.float32, copy=False)
    result: Any = cv2.remap(
        picture.astype(np.float32, copy=False), across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    values: Floats = result
    return values


def _found(finder: Any, source: Greys, target: Greys) -> Floats:
    found: Floats = finder.calc(source, target, None)
    # A hostile picture must not lead far outside of itself.
    limit = float(max(source.shape))
    flow: Floats = np.clip(np.nan_to_num(found), -limit, limit)
    return flow


def _agreed(there: Floats, back: Floats) -> Floats:
    returned = fetched(back, there)
    apart = np.sum((there + returned) ** 2, axis=2)
    length = np.sum(there**2, axis=2) + np.sum(returned**2, axis=2)
    height, width = apart.shape
    x = there[..., 0] + np.arange(width, dtype=np.float32)
    y = there[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    agreed: Floats = ((apart <= _RELATIVE * length + _ABSOLUTE) & inside).astype(np.float32)
    return agreed
