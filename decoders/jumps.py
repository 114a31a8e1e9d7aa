"""Where a cell needs a sample beside the grid (pure): after large frame-to-frame changes, from dense ticks alone."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from decoders.geometry import MAX_JUMP_SAMPLES

MIN_CHANGE = 8.0
"""Grey levels of mean absolute difference between two ticks below which nothing is a jump."""
CHANGE_OVER_RECENT = 2.5
RECENT_TICKS = 12
MIN_DISTANCE_TICKS = 5


@dataclass(frozen=True, slots=True)
class Jump:
    """`tick` shows the first frame after the change; `change` is its strength."""

    tick: int
    change: float


class JumpDetector:
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
