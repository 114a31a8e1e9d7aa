"""A decoded frame at its place in asset time. It makes each of its pictures once, on the first request."""

from dataclasses import dataclass, field

import av

from decoders.pictures.geometry import Orientation
from decoders.pictures.rescale import Planes, Rescaler
from stream.events.frames import Colour


@dataclass(slots=True)
class PresentedFrame:
    """Implements `decoders.sampling.cells.Shown`."""

    time_ns: int
    end_ns: int
    pts: int
    damaged: bool
    frame: av.VideoFrame
    orientation: Orientation
    rescaler: Rescaler
    _sample: bytes | None = field(default=None, repr=False)
    _dense: Planes | None = field(default=None, repr=False)

    def colour(self) -> Colour:
        return self.rescaler.colour(self.frame)

    def sample(self) -> bytes:
        # Most frames are no sample and are never scaled. One may be a grid sample and a jump sample.
        if self._sample is None:
            self._sample = self.rescaler.sample(self.frame, self.orientation)
        return self._sample

    def dense(self) -> Planes:
        if self._dense is None:
            self._dense = self.rescaler.dense(self.frame, self.orientation)
        return self._dense
