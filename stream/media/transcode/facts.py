"""What an input is: found once by reading all of its packets and its first picture, then carried by every part."""

import re
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import av
import av.error
from av.sidedata.sidedata import Type
from pydantic import JsonValue

from stream.errors import BadMedia
from stream.media.transcode import opening
from stream.media.transcode.hdr import mastering_of
from stream.media.transcode.orientation import Upright

MAX_SECONDS = 6 * 3600
MAX_PACKETS = MAX_SECONDS * 120
MAX_GAP_S = 600
"""A picture that is shown for longer is taken for a wrong time, which would fill hours with one picture."""

RATES = tuple(
    Fraction(rate)
    for rate in (
        *("10", "12", "15", "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60"),
        *("100", "120000/1001", "120"),
    )
)

_TIME_CODE = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}[:;][0-9]{2}")
_WHOLE = 0.98
_MAX_FIRST = 300


@dataclass(frozen=True, slots=True)
class Facts:
    """`origin` is the first picture's time, in ticks of `tick` seconds. `frames`: pictures at `rate`, by the time that
    the film lasts. `colours`: H.273 code points of matrix, primaries, transfer; then the range (0 unknown, 1, 2 full).
    `light`: HDR metadata in the order of `hdr.py`.
    """

    video: int
    sound: int | None
    tick: str
    origin: int
    frames: int
    rate: str
    source_rate: str
    width: int
    height: int
    aspect: str
    orientation: int
    pixel_format: str
    colours: tuple[int, int, int, int]
    interlaced: bool
    time_code: str
    light: tuple[int, ...] = ()

    @property
    def frame_s(self) -> Fraction:
        return 1 / Fraction(self.rate)

    @property
    def seconds(self) -> Fraction:
        return self.frames / Fraction(self.rate)

    @property
    def start_s(self) -> Fraction:
        """The first picture's time in the file."""
        return self.origin * Fraction(self.tick)

    def slot(self, pts: int) -> int:
        """The place on the output's grid that is nearest to a time; the later of two."""
        exact = (pts - self.origin) * Fraction(self.tick) * Fraction(self.rate)
        return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)

    def ticks_of(self, slot: int) -> int:
        """The time of a place on the grid, rounded down."""
        exact = slot / Fraction(self.rate) / Fraction(self.tick)
        return self.origin + exact.numerator // exact.denominator

    def as_json(self) -> dict[str, JsonValue]:
        values: dict[str, Any] = asdict(self)
        return {**values, "colours": list(self.colours), "light": list(self.light)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(**{**values, "colours": tuple(values["colours"]), "light": tuple(values["light"])})


def facts_of(path: Path, rate: Fraction | None, allowed: tuple[Fraction, ...] = ()) -> Facts:
    """`rate`: pictures per second that are wanted; None: the source's, or the nearest of those `allowed`. Raises
    `BadMedia`.
    """
    with opening.opened(path) as container:
        stream = opening.film(container)
        heard = opening.sound(container)
        # Nothing of a stream may be read once its container is closed.
        sound = None if heard is None else heard.index
        opening.prepare(container, stream)
        times, last_ticks = _times(container, stream)
        _whole(container, path, times[-1] * opening.seconds_per_tick(stream))
        tick = opening.seconds_per_tick(stream)
        source_rate = _source_rate(stream, times, tick)
    used = rate or (min(allowed, key=lambda one: abs(one - source_rate)) if allowed else source_rate)
    lasts = times[-1] - times[0] + (last_ticks or round(1 / source_rate / tick))
    seconds = lasts * tick
    if seconds > MAX_SECONDS:
        raise BadMedia(f"the film claims to last {float(seconds):.0f} s; at most {MAX_SECONDS}", code="too_long")
    with opening.opened(path) as container:
        stream = opening.film(container)
        opening.prepare(container, stream)
        return _with_picture(
            container,
            stream,
            Facts(
                video=stream.index,
                sound=sound,
                tick=str(tick),
                origin=times[0],
                frames=max(1, round(seconds * used)),
                rate=str(used),
                source_rate=str(source_rate),
                width=0,
                height=0,
                aspect=str(stream.sample_aspect_ratio or 1),
                orientation=0,
                pixel_format="",
                colours=(2, 2, 2, 0),
                interlaced=False,
                time_code=_time_code(container) if used == source_rate else "",
            ),
        )


def _times(container: av.container.InputContainer, stream: av.VideoStream) -> tuple["array[int]", int]:
    """All presentation times in order, and how long the last picture lasts (0: not said)."""
    found: array[int] = array("q")
    last = (-1 << 62, 0)
    count = 0
    for packet in opening.packets(container, [stream]):
        time = packet.pts if packet.pts is not None else packet.dts
        count += 1
        if time is None or packet.is_discard:
            continue
        found.append(time)
        last = max(last, (time, packet.duration or 0))
        if len(found) > MAX_PACKETS:
            raise BadMedia(f"over {MAX_PACKETS} pictures", code="too_long")
    if not found:
        raise BadMedia("not one picture has a time", code="no_frames")
    # Other containers count what they hold by estimates, or count repeated pictures.
    if "mov" in container.format.name and count < stream.frames:
        raise BadMedia(
            f"the file is cut off: it holds {count} of {stream.frames} pictures; upload it again", code="cut_off"
        )
    ordered = array("q", sorted(found))
    gaps = [after - before for before, after in pairwise(ordered)]
    if gaps and max(gaps) * opening.seconds_per_tick(stream) > MAX_GAP_S:
        raise BadMedia(f"there is no picture for over {MAX_GAP_S} s: its times are wrong", code="too_discontinuous")
    usual = sorted(gaps)[len(gaps) // 2] if gaps else 0
    # A last duration is often missing or a guess; a picture that is held at the end is meant.
    return ordered, last[1] if not usual or usual // 2 <= last[1] else usual


def _whole(container: av.container.InputContainer, path: Path, film_end_s: Fraction) -> None:
    """Matroska says how long all streams last, so the end of the sound may be what it means. Raises `BadMedia`."""
    if "matroska" not in container.format.name or not container.duration:
        return
    stated = Fraction(container.duration, 1_000_000) * Fraction(_WHOLE) - 1
    if film_end_s >= stated:
        return
    with opening.opened(path) as again:
        for packet in opening.packets(again, [*again.streams.video, *again.streams.audio]):
            if packet.pts is not None and packet.pts * packet.time_base >= stated:
                return
    raise BadMedia(
        f"the file is cut off: it ends long before {container.duration / 1e6:.0f} s; upload it again",
        code="cut_off",
    )


def _source_rate(stream: av.VideoStream, times: "array[int]", tick: Fraction) -> Fraction:
    """The nearest usual rate; for steady pictures also an unusual one."""
    stated = stream.average_rate or stream.guessed_rate
    if len(times) < 2 or times[-1] == times[0]:
        return min(RATES, key=lambda rate: abs(rate - (stated or 25)))
    gaps = sorted(after - before for before, after in pairwise(times))
    mean = Fraction(len(times) - 1) / ((times[-1] - times[0]) * tick)
    steady = gaps[-1] - gaps[0] <= max(2, gaps[len(gaps) // 2] // 50)
    measured = mean if steady else 1 / (max(1, gaps[len(gaps) // 2]) * tick)
    # Times in milliseconds cannot tell 30 from 29.97 in a short clip: what the file states can, where both agree.
    if stated and abs(stated - measured) <= stated / 200 and stated.denominator <= 1001 and steady:
        nearest = min(RATES, key=lambda rate: abs(rate - stated))
        return nearest if abs(nearest - stated) < stated / 5000 else min(stated, Fraction(120))
    nearest = min(RATES, key=lambda rate: abs(rate - measured))
    if steady and abs(nearest - measured) > measured / 200:
        return min(measured.limit_denominator(1001), Fraction(120)) or Fraction(1)
    return nearest


def _with_picture(container: av.container.InputContainer, stream: av.VideoStream, facts: Facts) -> Facts:
    frame = _first_picture(container, stream)
    matrix = _side_data(frame, Type.DISPLAYMATRIX)
    return Facts(
        **{
            **asdict(facts),
            "width": frame.width,
            "height": frame.height,
            "orientation": 0 if matrix is None else Upright.of_matrix(matrix).number,
            "pixel_format": frame.format.name,
            "colours": (
                int(frame.colorspace),
                int(frame.color_primaries),
                int(frame.color_trc),
                int(frame.color_range),
            ),
            "interlaced": bool(frame.interlaced_frame),
            "light": mastering_of(
                _side_data(frame, Type.MASTERING_DISPLAY_METADATA), _side_data(frame, Type.CONTENT_LIGHT_LEVEL)
            ),
        }
    )


def _side_data(frame: av.VideoFrame, kind: Type) -> bytes | None:
    held: Any = frame.side_data  # its stub knows motion vectors alone
    found = held.get(kind)
    return None if found is None else bytes(found)


def _first_picture(container: av.container.InputContainer, stream: av.VideoStream) -> av.VideoFrame:
    for number, packet in enumerate(opening.packets(container, [stream])):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            frames = []
        if frames:
            return frames[0]
        if number > _MAX_FIRST:
            break
    try:
        frames = stream.decode(None)
    except av.error.FFmpegError:
        frames = []
    if not frames:
        raise BadMedia("not one picture can be decoded", code="no_frames")
    return frames[0]


def _time_code(container: av.container.InputContainer) -> str:
    """The first time code that the file states, where it has the form of one."""
    holders = [container.metadata, *(stream.metadata for stream in container.streams)]
    codes = (holder.get("timecode") or holder.get("TIMECODE") or "" for holder in holders)
    return next((code for code in codes if _TIME_CODE.fullmatch(code)), "")
