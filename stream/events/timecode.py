"""Source time code: the camera's name of each picture, counted from the asset's first one (SMPTE ST 12-1). Pure."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from stream.events.asset import Media
from stream.events.grid import SECOND_NS

RATES = tuple(Fraction(n, d) for d, ns in ((1001, (24000, 30000, 60000)), (1, (24, 25, 30, 48, 50, 60))) for n in ns)
_WITHIN = Fraction(1, 2000)
_WRITTEN_WITHIN = Fraction(5, 1000)
_TEXT = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
_ROUNDING_NS = 1000
"""Asset times are rounded to nanoseconds. Without this margin a picture's own time could count as the one before."""


def edit_rate(fps: float) -> Fraction:
    """The frame rate of an edit, as people write it: a whole number, or 23.976 (23.98), 29.97 or 59.94 of NTSC.
    Raises `ValueError` for another.
    """
    if math.isfinite(fps):
        rates = (Fraction(round(fps)), *(rate for rate in RATES if rate.denominator == 1001))
        near = min(rates, key=lambda rate: abs(rate - Fraction(fps)))
        if near == fps or (near.denominator == 1001 and abs(near - Fraction(fps)) < _WRITTEN_WITHIN):
            return near
    raise ValueError("a frame rate is a whole number, 23.976, 29.97 or 59.94")


@dataclass(frozen=True, slots=True)
class SourceTimecode:
    """Picture `first` (frames since 00:00:00:00) is shown at asset time 0; `rate` frames a second.

    `drop`: drop-frame, which skips the names :00 and :01 (to :03 at 60) in each minute except every tenth. The count
    uses the stream's nominal rate, so in footage of variable rate it names moments, not pictures.
    """

    first: int
    rate: Fraction
    drop: bool

    @classmethod
    def of(cls, media: Media) -> Self | None:
        """None where the container has no time code, or one that no standard frame rate can count."""
        if media.timecode is None or not media.average_rate:
            return None
        average = Fraction(media.average_rate)
        rate = min(RATES, key=lambda each: abs(each - average))
        return cls._read(media.timecode, rate) if abs(rate - average) <= _WITHIN * rate else None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parses the result of `str`, such as `01:00:00;02@30000/1001`."""
        name, _, rate = text.partition("@")
        return cls._read(name, Fraction(rate)) if rate else None

    def __str__(self) -> str:
        return f"{self.name(self.first)}@{self.rate}"

    def at(self, time_ns: int) -> int:
        """The frame on display at `time_ns` of the asset."""
        return self.first + int((time_ns + _ROUNDING_NS) * self.rate // SECOND_NS)

    def before(self, end_ns: int) -> int:
        """One past the last frame that goes on display before `end_ns`: where a half-open range ends."""
        return self.first - int(-(end_ns - _ROUNDING_NS) * self.rate // SECOND_NS)

    def name(self, frame: int) -> str:
        """`HH:MM:SS:FF`, or `HH:MM:SS;FF` in drop-frame; begins again after 24 hours."""
        nominal = round(self.rate)
        if self.drop:
            ten_minutes, minute, skipped = _drop_counts(nominal)
            tens, rest = divmod(frame, ten_minutes)
            frame += skipped * (9 * tens + max(0, rest - skipped) // minute)
        seconds, frames = divmod(frame, nominal)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours % 24:02d}:{minutes:02d}:{seconds:02d}{';' if self.drop else ':'}{frames:02d}"

    @classmethod
    def _read(cls, name: str, rate: Fraction) -> Self | None:
        found = _TEXT.fullmatch(name)
        if found is None:
            return None
        hours, minutes, seconds, frames = (int(found[group]) for group in (1, 2, 3, 5))
        nominal, drop = round(rate), found[4] != ":"
        if hours > 23 or minutes > 59 or seconds > 59 or frames >= nominal or (drop and rate.denominator == 1):
            return None
        skipped = _drop_counts(nominal)[2]
        whole_minutes = 60 * hours + minutes
        if drop and minutes % 10 and not seconds and frames < skipped:
            return None  # a name that drop-frame does not have
        count = (60 * whole_minutes + seconds) * nominal + frames
        return cls(count - skipped * (whole_minutes - whole_minutes // 10) * drop, rate, drop)


def _drop_counts(nominal: int) -> tuple[int, int, int]:
    """Frames in ten minutes, frames in a minute that skips, names skipped."""
    skipped = nominal // 15
    return 600 * nominal - 9 * skipped, 60 * nominal - skipped, skipped
