"""Where a cell needs a sample beside the grid (pure): after jumps and at the end of fades, from dense ticks only."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from decoders.pictures.geometry import MAX_JUMP_SAMPLES

Picture = npt.NDArray[np.uint8]

MIN_CHANGE = 4.0
"""Mean absolute difference of two ticks in grey levels. A smaller change is never a jump."""
CHANGE_OVER_RECENT = 2.5
RECENT_TICKS = 12
MIN_DISTANCE_TICKS = 5
STILL_CHANGE = 2.0
STILL_TICKS = 3
"""A picture has settled when this many ticks in a row changed by less than `STILL_CHANGE`."""


@dataclass(frozen=True, slots=True)
class Jump:
    """`tick` shows the first frame after the change; `change` is its strength in grey levels."""

    tick: int
    change: float


class ChangeDetector:
    """Takes the change of every tick in order. Reports immediately which ticks may matter, so that their frame is kept.

    A change is a jump when it reaches `MIN_CHANGE` and is well above the last `RECENT_TICKS`. Among changes closer than
    `MIN_DISTANCE_TICKS`, the strongest remains.
    """

    def __init__(self) -> None:
        # What is usual depends on the motion of this scene, so only the last ticks count.
        self._recent: deque[float] = deque(maxlen=RECENT_TICKS)
        self.jumps: list[Jump] = []
        self._group_start: int | None = None

    def recent(self, change: float) -> None:
        """Takes the change of a tick in the context before the cell."""
        self._recent.append(change)

    def is_jump(self, tick: int, change: float) -> bool:
        """Whether `tick` is now in `jumps`. It may have replaced a weaker one that is close."""
        usual = sum(self._recent) / len(self._recent) if self._recent else 0.0
        self._recent.append(change)
        if change < MIN_CHANGE or change < CHANGE_OVER_RECENT * usual:
            return False
        if self._group_start is not None and tick < self._group_start + MIN_DISTANCE_TICKS:
            # Flashes and fast cuts give neighbouring peaks. One sample among them is enough.
            if change <= self.jumps[-1].change:
                return False
            self.jumps[-1] = Jump(tick, change)
            return True
        # Close to a jump that replaced a weaker one, but behind its group: not a new one either.
        if self.jumps and tick < self.jumps[-1].tick + MIN_DISTANCE_TICKS:
            return False
        self._group_start = tick
        self.jumps.append(Jump(tick, change))
        return True


class SettleDetector:
    """Finds the end of a gradual change: twin comparison (Zhang, Kankanhalli and Smoliar 1993), against the last
    settled picture instead of the last frame. Takes every tick of a cell and of the context before it.

    Pictures in steady motion never settle, so such footage gets no samples of this kind.
    """

    def __init__(self) -> None:
        self._settled: Picture | None = None
        self._still = 0

    def jumped(self, picture: Picture) -> None:
        """Compares later pictures with this one, the first after a jump: it already has a sample."""
        self._settled, self._still = picture, 0

    def arrival(self, picture: Picture, change: float) -> float:
        """The distance (grey levels) of a newly settled picture from the last settled one; 0 where it has not settled
        or is too near.
        """
        if self._settled is None:  # its change depends on where decoding began, and results must not
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
    # A plain difference of uint8 would wrap below 0.
    return int((np.maximum(before, after) - np.minimum(before, after)).sum(dtype=np.int64)) / before.size


def needed(start: int, end: int, jumps: Sequence[Jump], grid_ticks: Sequence[float]) -> list[int]:
    """Ticks to sample, so that every stretch between jumps in [start, end) has a sample from the grid or from this
    list.

    At most `MAX_JUMP_SAMPLES`, after the strongest changes. The cell's own start counts as the weakest change.
    """
    # Without its own start, a cell that begins inside a shot would have no stretch before its first jump.
    bounds = [Jump(start, 0.0), *(jump for jump in jumps if jump.tick > start)]
    ends = [*(jump.tick for jump in bounds[1:]), end]
    bare = [
        jump
        for jump, stop in zip(bounds, ends, strict=True)
        if not any(jump.tick <= position < stop for position in grid_ticks)
    ]
    # The tick breaks ties, so that the choice does not depend on the order of detection.
    strongest = sorted(bare, key=lambda jump: (-jump.change, jump.tick))[:MAX_JUMP_SAMPLES]
    return sorted(jump.tick for jump in strongest)
