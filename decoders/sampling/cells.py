"""The parts of a cell, and the frames that it is made from (pure)."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stream.events.frames import Colour, Kind, Sample
from stream.events.grid import segment_range

Picture = npt.NDArray[np.uint8]


class Shown(Protocol):
    """A decoded frame at its place in asset time. Its own duration ends at `end_ns`."""

    @property
    def time_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def pts(self) -> int: ...
    @property
    def damaged(self) -> bool: ...

    def colour(self) -> Colour: ...
    def sample(self) -> bytes:
        """Planar 4:2:0 of the cell's sample size. Repeated calls do the work once."""

    def dense(self) -> Picture:
        """uint8 [27, 48, 3] RGB. Repeated calls do the work once."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A decoded segment. `missing`: none of it could be decoded, or the decoder refused more packets of it than it has
    frames, so the rest does not represent the cell. `colour` is None where nothing was shown. The dense view is uint8
    [ticks, 27, 48, 3] RGB with the time of each row; profile `fast` has none.
    """

    segment: int
    samples: tuple[Sample, ...]
    colour: Colour | None
    damaged: bool
    missing: bool
    dense: Picture | None = None
    dense_times_ns: tuple[int, ...] | None = None


@dataclass(slots=True)
class CellSamples:
    """Collects the samples of a cell, and whether they show damage."""

    segment: int
    start_ns: int
    end_ns: int
    samples: list[Sample] = field(default_factory=list)
    colour: Colour | None = None
    damaged: bool = False

    @classmethod
    def of(cls, segment: int, duration_ns: int) -> "CellSamples":
        return cls(segment, *segment_range(segment, duration_ns))

    def kept(self, frame: Shown, time_ns: int, kind: Kind) -> Sample:
        """`frame` as a sample. It states its colour only where that differs from the cell's."""
        own = frame.colour()
        # The first colour is the cell's, and most cells have only one: samples then carry none.
        self.colour = self.colour or own
        return Sample(time_ns, frame.pts, kind, frame.sample(), None if own == self.colour else own)

    def cell(self, *, missing: bool) -> Cell:
        """The cell, without a dense view."""
        return Cell(self.segment, tuple(self.samples), self.colour, self.damaged, missing)
