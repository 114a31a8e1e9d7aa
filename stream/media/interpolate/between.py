"""A picture between two others, by the motion of what they show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from stream.media.frames.film import Pixels
from stream.media.frames.motion import Floats, Greys, Motion, fetched, motion, scaled

_LEAST_WEIGHT = 0.1
"""Of a picture in which a place is covered: where it is covered in both, they are blended as they are."""
_UNKNOWN = 10.0
"""Grey levels by which motion that was only guessed is worse."""
_NEIGHBOURHOOD = (5, 5)
_HIDDEN = 255.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Two pictures that follow each other, as `motion.grey` gives them, and their motion."""

    earlier: Greys
    later: Greys
    motion: Motion

    @classmethod
    def of(cls, earlier: Greys, later: Greys) -> "Neighbours":
        return cls(earlier, later, motion(earlier, later))


@dataclass(frozen=True, slots=True)
class Middle:
    """How a picture at `share` of the way is made: from the place `to_earlier` in the earlier one and `to_later` in the
    later one, with the weight of the later one at each place.
    """

    to_earlier: Floats
    to_later: Floats
    weight: Floats

    @classmethod
    def of(cls, pair: Neighbours, share: float) -> "Middle":
        flow = _motion_at(pair, share)
        to_earlier, to_later = -share * flow, (1 - share) * flow
        earlier = (1 - share) * (fetched(pair.motion.seen_ahead, to_earlier) + _LEAST_WEIGHT)
        later = share * (fetched(pair.motion.seen_back, to_later) + _LEAST_WEIGHT)
        weight: Floats = (later / (earlier + later)).astype(np.float32)
        return cls(to_earlier, to_later, weight)

    def plane(self, earlier: Pixels, later: Pixels, bits: int) -> Pixels:
        """Of one plane of both pictures, of any size."""
        height, width = earlier.shape[:2]
        weight: Any = cv2.resize(self.weight, (width, height), interpolation=cv2.INTER_LINEAR)
        if earlier.ndim == 3:
            weight = weight[..., None]
        before = fetched(earlier, scaled(self.to_earlier, width, height))
        after = fetched(later, scaled(self.to_later, width, height))
        mixed = before + (after - before) * weight
        levels: Pixels = np.clip(np.rint(mixed), 0, 2**bits - 1).astype(earlier.dtype)
        return levels

    def planes(self, earlier: Sequence[Pixels], later: Sequence[Pixels], bits: int) -> list[Pixels]:
        return [self.plane(*pair, bits) for pair in zip(earlier, later, strict=True)]


def _motion_at(pair: Neighbours, share: float) -> Floats:
    """[h, w, 2]: the motion from the earlier to the later picture of what is at each place at `share` of the way.

    Three guesses, of which the one is taken for which both pictures show the most alike around there: the motion of
    what moves to the place from the earlier picture, or from the later one, and a mix of what both have at it.
    """
    found = pair.motion
    smooth: Floats = (1 - share) * found.ahead - share * found.back
    ahead = np.abs(fetched(pair.later, found.ahead) - pair.earlier) + _HIDDEN * (1 - found.seen_ahead)
    back = np.abs(fetched(pair.earlier, found.back) - pair.later) + _HIDDEN * (1 - found.seen_back)
    guesses, errors = [], []
    for arrived in (_arrived(found.ahead, share, ahead), -_arrived(found.back, 1 - share, back), smooth):
        unknown = np.isnan(arrived[..., 0])
        guess = np.where(unknown[..., None], smooth, arrived)
        guesses.append(guess)
        apart = np.abs(fetched(pair.earlier, -share * guess) - fetched(pair.later, (1 - share) * guess))
        errors.append(cv2.blur(apart, _NEIGHBOURHOOD) + unknown * np.float32(_UNKNOWN))
    best = np.argmin(np.stack(errors), axis=0)
    flow = np.choose(best[..., None], guesses)
    # Single pixels that disagree with all around them are mistakes.
    return np.dstack([cv2.medianBlur(np.ascontiguousarray(flow[..., way], np.float32), 3) for way in (0, 1)])


def _arrived(flow: Floats, share: float, error: npt.NDArray[Any]) -> Floats:
    """Each pixel's motion at the place to which `share` of it leads; not a number where none leads to. Of several, the
    one with the least error.
    """
    height, width = flow.shape[:2]
    x = np.rint(flow[..., 0] * share + np.arange(width, dtype=np.float32)).astype(np.int64)
    y = np.rint(flow[..., 1] * share + np.arange(height, dtype=np.float32)[:, None]).astype(np.int64)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    # Stable, so that ties go the same way everywhere; of equal places numpy keeps what is written last.
    order = np.argsort(-error[inside], kind="stable")
    result = np.full((height * width, 2), np.nan, np.float32)
    result[(y * width + x)[inside][order]] = flow[inside][order]
    return result.reshape(height, width, 2)
