"""What the work of a stage is measured in: seconds of video, frames, or what else a topology counts. Pure."""

import math
from dataclasses import dataclass

from stream.events.grid import SECOND_NS, SEGMENT_NS


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of work. `name` is part of metrics' names (`rushes_backlog_frames`), `counts` what reports of progress
    count (`PartProgressed.unit`), `scale` how many of those make one. `part`: units of one part, until reports tell;
    `largest`: what a part can be at most, whatever a report says.
    """

    name: str
    counts: str
    scale: int = 1
    part: float = 1.0
    largest: float = math.inf


VIDEO_SECONDS = Unit("video_seconds", "video_ns", SECOND_NS, SEGMENT_NS / SECOND_NS, largest=SEGMENT_NS / SECOND_NS)
