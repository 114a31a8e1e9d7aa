"""Stream ticks to asset time (pure). Runs are stretches without a jump of time stamps, laid end to end."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.events.asset import Media, Run
from stream.events.grid import SECOND_NS

JUMP_FORWARD_S = 10.0
JUMP_BACK_S = 0.5
DISCONTINUOUS = frozenset({"mpegts", "mpeg", "flv"})
"""Containers whose time stamps may jump; in the others a long gap is a frame that stays on display."""

SEQUENTIAL = frozenset({"mpeg"})
"""Containers with sparse time stamps: after a seek the first frames are misplaced, so they are read from byte 0."""


def seekable(media: Media) -> bool:
    """Whether decoding may begin anywhere but at the beginning. Several runs share time stamps, so it may not."""
    return len(media.runs) == 1 and media.container not in SEQUENTIAL


def ticks_to_ns(ticks: int, num: int, den: int) -> int:
    """Nearest integer nanosecond."""
    return (2 * ticks * num * SECOND_NS + den) // (2 * den)


def ns_to_ticks(time_ns: int, num: int, den: int) -> int:
    """Rounded down."""
    return time_ns * den // (num * SECOND_NS)


def asset_time_ns(media: Media, pts: int, run: int = 0) -> int:
    """When the frame with raw `pts` of run number `run` goes on display."""
    start = media.runs[run]
    return start.start_ns + ticks_to_ns(pts - start.first_pts, media.time_base_num, media.time_base_den)


@dataclass(slots=True)
class RunCounter:
    """Which run a packet belongs to, from decode times in file order. Plan and decode count alike."""

    num: int
    den: int
    container: str
    run: int = 0
    _last: int | None = None

    def of(self, dts: int | None) -> int:
        if dts is None or self.container not in DISCONTINUOUS:
            return self.run
        if self._last is not None:
            step_s = (dts - self._last) * self.num / self.den
            if step_s > JUMP_FORWARD_S or step_s < -JUMP_BACK_S:
                self.run += 1
        self._last = dts
        return self.run


def plausible(pts: int, dts: int | None, num: int, den: int) -> bool:
    """Whether a picture may be shown this long after (or before) it is decoded. Noise in a header says otherwise."""
    return dts is None or abs(pts - dts) * num <= JUMP_FORWARD_S * den


@dataclass(slots=True)
class Extent:
    """First and last presentation of one run, gathered packet by packet. A run starts at its first key packet."""

    first_pts: int | None = None
    end_pts: int = 0
    last_pts: int = 0
    frames: int = 0
    _early: list[int] = field(default_factory=list)

    def add(self, pts: int, duration: int, *, key: bool) -> None:
        if self.first_pts is None and key:
            self.first_pts = pts
        if self.first_pts is None:
            self._early.append(pts)
        self.frames += 1
        if self.frames == 1 or pts > self.last_pts:
            self.last_pts = pts
            self.end_pts = pts + duration

    @property
    def start_pts(self) -> int:
        return min(self._early) if self.first_pts is None else self.first_pts


def lay_out(extents: Sequence[Extent], num: int, den: int) -> tuple[Run, ...]:
    """Runs end to end from asset time 0; one without a frame has no length, so that runs keep their numbers."""
    runs: list[Run] = []
    start_ns = 0
    for extent in extents:
        if extent.frames == 0:
            runs.append(Run(0, start_ns, start_ns))
            continue
        end_ns = start_ns + max(1, ticks_to_ns(extent.end_pts - extent.start_pts, num, den))
        runs.append(Run(extent.start_pts, start_ns, end_ns))
        start_ns = end_ns
    return tuple(runs)
