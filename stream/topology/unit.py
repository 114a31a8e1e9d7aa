"""The unit of a stage's work: seconds of video, frames, or anything else a topology counts. Pure."""

import math
from dataclasses import dataclass

from stream.events.grid import SECOND_NS, SEGMENT_NS


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of work. `name` is part of names of metrics (`rushes_backlog_frames`). `counts` is what progress reports
    count (`PartProgressed.unit`), `scale` how many of those make one unit. `part`: units of one part, until reports
    show it. `largest`: the most that a part can be, whatever a report says.
    """

    name: str
    counts: str
    scale: int = 1
    part: float = 1.0
    largest: float = math.inf


VIDEO_SECONDS = Unit("video_seconds", "video_ns", SECOND_NS, SEGMENT_NS / SECOND_NS, largest=SEGMENT_NS / SECOND_NS)
