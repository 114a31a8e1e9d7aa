"""Where a cell needs a sample beside the grid (pure): after jumps and at the end of fades, from dense ticks alone."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from decoders.pictures.geometry import MAX_JUMP_SAMPLES

Picture = npt.NDArray[np.uint8]

MIN_CHANGE = 4.0
"""Grey levels of mean absolute difference between two ticks below which nothing is a jump."""
CHANGE_OVER_RECENT = 2.5
RECENT_TICKS = 12
MIN_DISTANCE_TICKS = 5
STILL_CHANGE = 2.0
STILL_TICKS = 3
"""A picture has settled when this many ticks in a row changed by less than `STILL_CHANGE`."""


@dataclass(frozen=True, slots=True)
class Jump:
    """`tick` shows the first frame after the change; `change` is its strength."""

    tick: int
    change: float


class ChangeDetector:
    """Feed every tick's change in order; says at once which ticks may matter, so their frame can be kept.

    A change is large when it exceeds `MIN_CHANGE` and stands out of the last `RECENT_TICKS`. Of changes closer than
    `MIN_DISTANCE_TICKS` the strongest remains.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT_TICKS)
        self.jumps: list[Jump] = []
        self._group_start: int | None = None

    def recent(self, change: float) -> None:
        """A tick of the context before the cell."""
        self._recent.append(change)

    def is_jump(self, tick: int, change: float) -> bool:
        """Whether `tick` is now among `jumps`; a weaker close one may have left for it."""
        usual = sum(self._recent) / len(self._recent) if self._recent else 0.0
        self._recent.append(change)
        if change < MIN_CHANGE or change < CHANGE_OVER_RECENT * usual:
            return False
        if self._group_start is not None and tick < self._group_start + MIN_DISTANCE_TICKS:
            if change <= self.jumps[-1].change:
                return False
            self.jumps[-1] = Jump(tick, change)
            return True
        if self.jumps and tick < self.jumps[-1].tick + MIN_DISTANCE_TICKS:
            return False
        self._group_start = tick
        self.jumps.append(Jump(tick, change))
        return True


class SettleDetector:
    """Finds where a gradual change has arrived: twin comparison (Zhang, Kankanhalli and Smoliar 1993), with the last
    settled picture in place of the last frame. Feed every tick of a cell and of the context before it.

    Pictures in steady motion never settle, so such footage gets no samples of this kind.
    """

    def __init__(self) -> None:
        self._settled: Picture | None = None
        self._still = 0

    def jumped(self, picture: Picture) -> None:
        """What follows is compared with the picture after the jump, which has a sample already."""
        self._settled, self._still = picture, 0

    def arrival(self, picture: Picture, change: float) -> float:
        """How far the picture has settled from the last settled one; 0 where it has not, or not far enough."""
        if self._settled is None:  # how the first one changed depends on where decoding began
            self._settled = picture
            return 0.0
        self._still = self._still + 1 if change < STILL_CHANGE else 0
        if self._still != STILL_TICKS:
            return 0.0
        distance = difference(self._settled, picture)
        self._settled = picture
        return distance if distance >= MIN_CHANGE else 0.0


def difference(before: Picture, after: Picture) -> float:
    """Mean absolute difference in grey levels."""
    return int((np.maximum(before, after) - np.minimum(before, after)).sum(dtype=np.int64)) / before.size


def needed(start: int, end: int, jumps: Sequence[Jump], grid_ticks: Sequence[float]) -> list[int]:
    """Ticks to sample so that every stretch between jumps of [start, end) has a sample, the grid's or one of these.

    At most `MAX_JUMP_SAMPLES`, those after the strongest changes; the cell's own start counts as the weakest.
    """
    bounds = [Jump(start, 0.0), *(jump for jump in jumps if jump.tick > start)]
    ends = [*(jump.tick for jump in bounds[1:]), end]
    bare = [
        jump
        for jump, stop in zip(bounds, ends, strict=True)
        if not any(jump.tick <= position < stop for position in grid_ticks)
    ]
    strongest = sorted(bare, key=lambda jump: (-jump.change, jump.tick))[:MAX_JUMP_SAMPLES]
    return sorted(jump.tick for jump in strongest)
