"""Source time code against a plain enumeration of the names that SMPTE ST 12-1 has."""

from collections.abc import Iterator
from fractions import Fraction

import pytest

from stream.events.asset import Media
from stream.events.grid import SECOND_NS
from stream.events.runs import Run
from stream.events.timecode import SourceTimecode

NTSC, FAST = Fraction(30000, 1001), Fraction(60000, 1001)


def media(timecode: str | None, rate: float | None) -> Media:
    return Media(
        container="mov", codec="h264", stream_index=0, width=64, height=64, display_width=64, display_height=64,
        time_base_num=1, time_base_den=30000, average_rate=rate, duration_ns=SECOND_NS, runs=(Run(0, 0, SECOND_NS),),
        timecode=timecode,
    )  # fmt: skip


def names(nominal: int, *, drop: bool, hours: int) -> Iterator[str]:
    """In the order of frames: drop-frame leaves out :00, :01 (at 60 also :02, :03) of minutes not divisible by ten."""
    for second in range(hours * 3600):
        for frame in range(nominal):
            minute = second // 60
            if not (drop and minute % 10 and second % 60 == 0 and frame < nominal // 15):
                yield f"{minute // 60:02d}:{minute % 60:02d}:{second % 60:02d}{';' if drop else ':'}{frame:02d}"


@pytest.mark.parametrize(
    ("rate", "drop"), [(NTSC, True), (FAST, True), (NTSC, False), (Fraction(24000, 1001), False), (Fraction(25), False)]
)
def test_every_name_is_counted(rate: Fraction, drop: bool) -> None:
    code = SourceTimecode(0, rate, drop)
    for frame, name in enumerate(names(round(rate), drop=drop, hours=1)):
        assert code.name(frame) == name
        if frame % 997 == 0 or name.endswith(":00;02"):
            assert SourceTimecode.parse(f"{name}@{rate}") == SourceTimecode(frame, rate, drop)


def test_drop_frame_keeps_to_the_clock_and_begins_again_at_midnight() -> None:
    """An hour of drop-frame names lasts 3.6 ms less than an hour."""
    code = SourceTimecode.parse("23:00:00;00@30000/1001")
    assert code is not None
    assert code.name(code.at(3600 * SECOND_NS)) == "00:00:00;00"
    assert code.name(code.at(3600 * SECOND_NS - SECOND_NS // 25)) == "23:59:59;28"


def test_frames_by_their_rounded_times() -> None:
    code = SourceTimecode(0, NTSC, drop=False)
    for frame in range(3000):
        time_ns = round(frame * SECOND_NS / NTSC)
        assert code.at(time_ns) == code.before(time_ns) == frame


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        (None, 25.0),
        ("01:00:00:00", None),
        ("01:00:00:00", 27.3),
        ("01:00:00:25", 25.0),
        ("24:00:00:00", 25.0),
        ("01:00:00;02", 25.0),
        ("01:01:00;00", 29.97),
        ("noon", 25.0),
    ],
)
def test_what_is_no_time_code(name: str | None, rate: float | None) -> None:
    assert SourceTimecode.of(media(name, rate)) is None


def test_rates_are_recognised_although_measured() -> None:
    code = SourceTimecode.of(media("01:00:59;28", 29.9701))
    assert code is not None
    assert str(code) == "01:00:59;28@30000/1001"
    assert code.name(code.first + 2) == "01:01:00;02"
