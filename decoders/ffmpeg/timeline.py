"""Stream ticks to asset time (pure). Runs are stretches without a jump of time stamps, laid end to end."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from decoders.formats.elementary import ANIMATED, ELEMENTARY
from stream.events.asset import Media
from stream.events.grid import SECOND_NS
from stream.events.runs import Run

JUMP_FORWARD_S = 10.0
JUMP_BACK_S = 0.5
DISCONTINUOUS = frozenset({"mpegts", "mpeg", "flv"})
"""Containers whose time stamps may jump ahead; in the others a long gap is a frame that stays on display."""

GUESSED_DECODE_TIMES = frozenset({"matroska"})
"""FFmpeg makes up decode times here and is off by a few pictures where it does not know the reordering."""

DECODE_DURATIONS = frozenset({"mov"})
"""Durations here are steps from one decode time to the next. The last picture shown need not be the last decoded, but
the durations of all add up, so it lasts as long as the last one decoded says.
"""

SEQUENTIAL = frozenset({"mpeg"}) | ELEMENTARY | ANIMATED
"""Containers with sparse time stamps or none: after a seek the first frames are misplaced, so they are read from byte
0."""

REORDER_PACKETS = 32
"""Twice what H.264 and HEVC can reorder. Within so many packets the decode times pass a picture's own time."""
MAX_STILL_S = 600.0
"""How long a picture may stay before the last ones, whose following packets are no witnesses any more."""
SPARSE_S = 0.5
"""Where pictures usually are so far apart, gaps are the footage itself, and none of up to `MAX_STILL_S` is a jump."""
USUAL_STEPS = 8
GUESSED_STEPS = 4
_WITNESS_S = JUMP_FORWARD_S / 2

NO_TIME = -(2**63)
_KEY, _DISCARDED, _BRIDGED = 1, 2, 4
Ticks = npt.NDArray[np.int64]


def parts_of(media: Media) -> tuple[Media, ...]:
    """The facts of each recording in the file: `media` itself where there is but one, with its runs where several."""
    if not media.parts:
        return (media,)
    return tuple(
        media.model_copy(
            update={
                "parts": (part,),
                "stream_index": part.stream_index,
                "time_base_num": part.time_base_num,
                "time_base_den": part.time_base_den,
                "average_rate": part.average_rate,
                "reorder_ticks": part.reorder_ticks,
                "runs": media.runs[part.first_run : part.end_run],
            }
        )
        for part in media.parts
    )


def seekable(media: Media) -> bool:
    """Whether decoding may begin anywhere but at the beginning of a recording. Runs share time stamps, so where one
    has several it may not.
    """
    return len(media.runs) == max(1, len(media.parts)) and media.container not in SEQUENTIAL


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


class Sound:
    """The clocks of the other streams, as they pass by in file order: what tells a still picture from a jump."""

    def __init__(self) -> None:
        self._unbroken: dict[int, tuple[float, float]] = {}

    def surveyed(self, stream: int, time_s: float) -> None:
        began_s, last_s = self._unbroken.get(stream, (time_s, time_s))
        if not -JUMP_BACK_S <= time_s - last_s <= JUMP_FORWARD_S:
            began_s = time_s
        self._unbroken[stream] = (began_s, time_s)

    def runs_through(self, from_s: float, until_s: float) -> bool:
        """Whether one of them was heard without a break all the while."""
        return any(
            began_s <= from_s + _WITNESS_S and last_s >= until_s - _WITNESS_S
            for began_s, last_s in self._unbroken.values()
        )


@dataclass(slots=True)
class Track:
    """What the packets of one stream say, in file order. Numbers of packets are places in it."""

    base: Fraction
    default_ticks: int = 1
    pts: "array[int]" = field(default_factory=lambda: array("q"))
    dts: "array[int]" = field(default_factory=lambda: array("q"))
    durations: "array[int]" = field(default_factory=lambda: array("q"))
    flags: bytearray = field(default_factory=bytearray)
    _last_dts: int | None = None

    def add(
        self, pts: int | None, dts: int | None, duration: int, *, key: bool, discarded: bool, sound: Sound | None = None
    ) -> None:
        bridged = False
        if dts is not None:
            if sound is not None and self._last_dts is not None:
                from_s, until_s = float(self._last_dts * self.base), float(dts * self.base)
                bridged = until_s > from_s + JUMP_FORWARD_S and sound.runs_through(from_s, until_s)
            self._last_dts = dts
        self.pts.append((NO_TIME if dts is None else dts) if pts is None else pts)
        self.dts.append(NO_TIME if dts is None else dts)
        self.durations.append(duration or self.default_ticks)
        self.flags.append(_KEY * key | _DISCARDED * discarded | _BRIDGED * bridged)

    @property
    def packets(self) -> int:
        return len(self.flags)

    def bridged(self, number: int, from_dts: int) -> bool:
        """Whether the gap from `from_dts` to this packet is one in the pictures alone: sound ran through it, or a
        picture that was decoded before it is shown behind it.
        """
        shown = max(self.pts[max(0, number - REORDER_PACKETS) : number])
        return bool(self.flags[number] & _BRIDGED) or 2 * shown >= from_dts + self.dts[number]

    @property
    def seconds(self) -> float:
        """From the first to the last, time that jumped included."""
        times = np.asarray(self.pts)
        times = times[times != NO_TIME]
        return float(int(times.max() - times.min()) * self.base) if len(times) else 0.0


@dataclass(frozen=True, slots=True)
class Extent:
    """One run: the number of its first packet, presentation of its first and last picture, and its key frames' pts.
    A run starts at its first key packet.
    """

    first_packet: int
    start_pts: int = 0
    end_pts: int = 0
    last_pts: int = 0
    frames: int = 0
    key_pts: tuple[int, ...] = ()

    @property
    def all_keys(self) -> bool:
        return len(self.key_pts) == self.frames


def asks_for_sound(track: Track, container: str) -> bool:
    """Whether there is a gap that may be a jump or a picture that stays, which the other streams tell."""
    dts = np.array(track.dts, dtype=np.int64)
    steps = np.diff(dts[dts != NO_TIME].astype(np.float64)) * float(track.base)
    return container in DISCONTINUOUS and bool((steps > JUMP_FORWARD_S).any())


def extents(track: Track, container: str) -> list[Extent]:
    """The runs of a stream. Never empty; one without a picture that has a credible time has no `frames`."""
    dts = np.array(track.dts, dtype=np.int64)
    starts = _run_starts(track, dts, container)
    return [
        _extent(track, dts, start, end, container) for start, end in zip(starts, [*starts[1:], len(dts)], strict=True)
    ]


def _run_starts(track: Track, dts: Ticks, container: str) -> list[int]:
    """Numbers of the first packets of runs. Where times return to where a step back left them, they were noise."""
    base = track.base
    known = np.flatnonzero(dts != NO_TIME)
    steps = np.diff(dts[known].astype(np.float64)) * float(base)
    usual_s = float(np.median(np.abs(steps))) if len(steps) else 0.0
    back_s = max(JUMP_BACK_S, GUESSED_STEPS * usual_s) if container in GUESSED_DECODE_TIMES else JUMP_BACK_S
    ahead_s = JUMP_FORWARD_S if usual_s < SPARSE_S else max(MAX_STILL_S, USUAL_STEPS * usual_s)
    starts = [0]
    left: int | None = None
    for place in np.flatnonzero((steps < -back_s) | (steps > max(JUMP_BACK_S, USUAL_STEPS * usual_s))):
        before, after = int(dts[known[place]]), int(dts[known[place + 1]])
        number = int(known[place + 1])
        if after < before:
            left = before
            starts.append(number)
        elif container in DISCONTINUOUS:
            if steps[place] > ahead_s and not track.bridged(number, before):
                starts.append(number)
        elif left is not None and left <= after <= left + JUMP_FORWARD_S / base:
            left = None
            starts.append(number)
    return starts


def _extent(track: Track, dts: Ticks, start: int, end: int, container: str) -> Extent:
    pts = np.array(track.pts[start:end], dtype=np.int64)
    flags = np.frombuffer(bytes(track.flags[start:end]), dtype=np.uint8)
    counted = np.flatnonzero((pts != NO_TIME) & (flags & _DISCARDED == 0) & _plausible(pts, dts[start:end], track.base))
    if not len(counted):
        return Extent(start)
    shown = pts[counted]
    keys = shown[flags[counted] & _KEY > 0]
    last = int(np.argmax(shown))
    last_pts = int(shown[last])
    lasting = start + int(counted[-1 if container in DECODE_DURATIONS else last])
    return Extent(
        first_packet=start,
        start_pts=int(keys[0]) if len(keys) else int(shown.min()),
        end_pts=last_pts + track.durations[lasting],
        last_pts=last_pts,
        frames=len(counted),
        key_pts=tuple(keys.tolist()),
    )


def _plausible(pts: Ticks, dts: Ticks, base: Fraction) -> npt.NDArray[np.bool_]:
    """Whether a picture may be shown so long after (or before) it is decoded. Noise in a header says otherwise.

    Reordering is a matter of pictures, not of seconds: within `REORDER_PACKETS` the decode times come to it.
    """
    known = dts != NO_TIME
    if not known.any():
        return np.ones(len(pts), dtype=np.bool_)
    times = np.maximum.accumulate(np.where(known, dts, NO_TIME))
    times = np.where(times == NO_TIME, dts[known][0], times)
    usual = float(np.median(np.abs(np.diff(times)))) if len(times) > 1 else 0.0
    still = int(max(MAX_STILL_S / base, REORDER_PACKETS * usual))
    places = np.arange(len(pts))
    later = np.where(places + REORDER_PACKETS < len(pts), times[np.minimum(places + REORDER_PACKETS, len(pts) - 1)], 0)
    later = np.where(places + REORDER_PACKETS < len(pts), later, times[-1] + still)
    earlier = times[np.maximum(places - REORDER_PACKETS, 0)]
    slack = int(JUMP_FORWARD_S / base)
    credible: npt.NDArray[np.bool_] = ~known | ((pts >= earlier - slack) & (pts <= later + slack))
    return credible


def lay_out(found: Sequence[Extent], num: int, den: int, start_ns: int = 0) -> tuple[Run, ...]:
    """Runs end to end; one without a frame has no length, so that runs keep their numbers."""
    runs: list[Run] = []
    for extent in found:
        if extent.frames == 0:
            runs.append(Run(0, start_ns, start_ns, start_ns, extent.first_packet))
            continue
        end_ns = start_ns + max(1, ticks_to_ns(extent.end_pts - extent.start_pts, num, den))
        last_ns = start_ns + max(0, ticks_to_ns(extent.last_pts - extent.start_pts, num, den))
        runs.append(Run(extent.start_pts, start_ns, end_ns, last_ns, extent.first_packet))
        start_ns = end_ns
    return tuple(runs)
