"""Converts stream ticks to asset time (pure). Runs are stretches without a time-stamp jump, laid end to end."""

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
"""Containers whose time stamps may jump ahead. In others, a long gap is a frame that stays on display."""

GUESSED_DECODE_TIMES = frozenset({"matroska"})
"""Here FFmpeg guesses decode times. The guess is wrong by a few pictures where FFmpeg does not know the reordering."""

DECODE_DURATIONS = frozenset({"mov"})
"""Here durations are steps between decode times. The last picture shown need not be the last one decoded, but all
durations add up, so its duration is that of the last decoded picture.
"""

SEQUENTIAL = frozenset({"mpeg"}) | ELEMENTARY | ANIMATED
"""Containers with few time stamps or none. After a seek the first frames get wrong times, so reads start at byte 0."""

REORDER_PACKETS = 32
"""Twice the reordering limit of H.264 and HEVC. Within so many packets, decode times pass a picture's own time."""
MAX_STILL_S = 600.0
"""How long one of the last pictures may stay on display: no later packets confirm its time."""
SPARSE_S = 0.5
"""Where pictures are usually this far apart, gaps up to `MAX_STILL_S` are part of the footage and no jump."""
USUAL_STEPS = 8
GUESSED_STEPS = 4
# Sound is interleaved around its pictures, so it need not begin and end exactly at the gap.
_WITNESS_S = JUMP_FORWARD_S / 2

# FFmpeg's AV_NOPTS_VALUE, so that it fits an int64 array and no real time equals it.
NO_TIME = -(2**63)
_KEY, _DISCARDED, _BRIDGED = 1, 2, 4
Ticks = npt.NDArray[np.int64]


def parts_of(media: Media) -> tuple[Media, ...]:
    """The facts of each recording in the file, with its own runs. One recording gives `media` itself."""
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
    """Whether decoding may begin at any position of a recording. Runs share time stamps, so a recording with several
    runs is read from its beginning.
    """
    return len(media.runs) == max(1, len(media.parts)) and media.container not in SEQUENTIAL


def ticks_to_ns(ticks: int, num: int, den: int) -> int:
    """Ticks of `num`/`den` seconds in nanoseconds, rounded to the nearest integer."""
    # In integers: nanoseconds in a float64 are exact for 104 days only, and time stamps may start anywhere.
    return (2 * ticks * num * SECOND_NS + den) // (2 * den)


def ns_to_ticks(time_ns: int, num: int, den: int) -> int:
    """Nanoseconds in ticks of `num`/`den` seconds, rounded down."""
    return time_ns * den // (num * SECOND_NS)


def asset_time_ns(media: Media, pts: int, run: int = 0) -> int:
    """Asset time (ns) when the frame with raw `pts` in run number `run` goes on display."""
    start = media.runs[run]
    return start.start_ns + ticks_to_ns(pts - start.first_pts, media.time_base_num, media.time_base_den)


class Sound:
    """The clocks of the sound streams, in file order. They show whether a gap is a still picture or a jump."""

    def __init__(self) -> None:
        self._unbroken: dict[int, tuple[float, float]] = {}

    def observe(self, stream: int, time_s: float) -> None:
        began_s, last_s = self._unbroken.get(stream, (time_s, time_s))
        # After a jump of its own clock, a sound stream says nothing about the time before.
        if not -JUMP_BACK_S <= time_s - last_s <= JUMP_FORWARD_S:
            began_s = time_s
        self._unbroken[stream] = (began_s, time_s)

    def runs_through(self, from_s: float, until_s: float) -> bool:
        """Whether one of the streams has packets without a break in the whole range."""
        return any(
            began_s <= from_s + _WITNESS_S and last_s >= until_s - _WITNESS_S
            for began_s, last_s in self._unbroken.values()
        )


@dataclass(slots=True)
class Track:
    """Times and flags of one stream's packets, in file order. Packet numbers are indices into the arrays."""

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
        """Whether the gap from `from_dts` to this packet is only in the pictures: sound continued through it, or a
        picture decoded before it is shown after it.
        """
        shown = max(self.pts[max(0, number - REORDER_PACKETS) : number])
        # At least half way: a picture that is shown deep in the gap shares the clock of both sides.
        return bool(self.flags[number] & _BRIDGED) or 2 * shown >= from_dts + self.dts[number]

    @property
    def seconds(self) -> float:
        """Seconds from the first time stamp to the last, including jumps."""
        times = np.asarray(self.pts)
        times = times[times != NO_TIME]
        return float(int(times.max() - times.min()) * self.base) if len(times) else 0.0


@dataclass(frozen=True, slots=True)
class Extent:
    """One run, in ticks: the number of its first packet, when its first and last picture are shown, its end, and the
    pts of its key frames. The presentation of a run starts at its first key packet.
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
    """Whether the track has a gap that may be a jump or a still picture: the sound streams then decide."""
    dts = np.array(track.dts, dtype=np.int64)
    steps = np.diff(dts[dts != NO_TIME].astype(np.float64)) * float(track.base)
    return container in DISCONTINUOUS and bool((steps > JUMP_FORWARD_S).any())


def extents(track: Track, container: str) -> list[Extent]:
    """The runs of a stream; never empty. A run where no picture has a plausible time has 0 `frames`."""
    # From decode times: presentation times step back at every reordered picture.
    dts = np.array(track.dts, dtype=np.int64)
    starts = _run_starts(track, dts, container)
    return [
        _extent(track, dts, start, end, container) for start, end in zip(starts, [*starts[1:], len(dts)], strict=True)
    ]


def _run_starts(track: Track, dts: Ticks, container: str) -> list[int]:
    """Packet numbers where runs start. Times that step back and later return to the old clock were noise: the return
    starts a run as well.
    """
    base = track.base
    known = np.flatnonzero(dts != NO_TIME)
    # In float64: differences of damaged 64-bit time stamps overflow an int64.
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
    """Whether each presentation time is plausible beside its decode time. Damaged headers give impossible ones.

    Reordering is counted in pictures, not in seconds: decode times reach a picture's time within `REORDER_PACKETS`.
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
    """Lays runs end to end from `start_ns`. A run without frames stays with length 0, so that run numbers stay."""
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
