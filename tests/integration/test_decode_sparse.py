"""Footage whose pictures are seconds apart: slide decks, time lapses, recordings of a screen that stands still."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.support.numbered_clips import write_numbered
from tests.support.presented import shown

TENTH = Fraction(1, 10)
H264: dict[str, Any] = {"options": {"preset": "veryfast"}}
P_ONLY: dict[str, Any] = {"options": {"preset": "veryfast", "bf": "0"}}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
VP9: dict[str, Any] = {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}}
H265: dict[str, Any] = {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}}
CLIPS: dict[str, dict[str, Any]] = {
    "deck.mkv": H264,
    "deck.mp4": H264,
    "fragments.mp4": {**H264, "container_options": FRAGMENTS},
    "first_in_moov.mp4": {**H264, "gop": 2, "container_options": {"movflags": "frag_keyframe"}},
    "deck.ts": H264,
    "deck265.ts": H265,
    "deck.flv": H264,
    "deck.avi": H264,
    "deck.webm": VP9,
}


def check(path: Path, times: list[int], last_s: float = 0.1) -> None:
    """`times` in tenths of a second. The last picture lasts as long as the encoder said or guessed: one frame."""
    whole = shown(path)
    assert whole.seconds == pytest.approx((times[-1] - times[0]) / 10 + last_s, abs=0.07)
    assert [number for number, _ in whole.pictures] == list(range(len(times)))
    assert [start_s for _, start_s in whole.pictures] == pytest.approx([time / 10 for time in times], abs=0.041)
    assert (whole.missing, whole.damaged) == ((), ())
    assert shown(path, span_s=20).records == whole.records
    fast = shown(path, profile="fast", span_s=20)
    assert (fast.missing, fast.damaged) == ((), ())


@pytest.mark.parametrize(
    ("name", "gap_s"), [*((name, 15) for name in CLIPS), ("deck.mkv", 2), ("deck.ts", 60), ("deck.flv", 60)]
)
def test_a_slide_deck_is_whole(tmp_path: Path, name: str, gap_s: int) -> None:
    """B-frames of a deck are decoded minutes from when they are shown."""
    times = [number * gap_s * 10 for number in range(5)]
    write_numbered(tmp_path / name, times, **CLIPS[name])
    check(tmp_path / name, times)


@pytest.mark.parametrize("name", ["deck.mkv", "fragments.mp4", "deck.ts", "deck.flv"])
def test_pauses_of_any_length(tmp_path: Path, name: str) -> None:
    times = [0, 30, 630, 680, 880, 900, 1050, 2000]
    write_numbered(tmp_path / name, times, **CLIPS[name])
    check(tmp_path / name, times)


@pytest.mark.parametrize("name", ["deck.mkv", "fragments.mp4", "deck.ts", "deck.flv"])
def test_one_picture_ends_a_long_pause(tmp_path: Path, name: str) -> None:
    """As recorders of screens write one when they stop. With B-frames its packet is decoded long before."""
    times = [*range(40), 640]
    write_numbered(tmp_path / name, times, **CLIPS[name])
    check(tmp_path / name, times)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "webm"])
@pytest.mark.parametrize("end", [201, 209, 315])
def test_a_last_pause_is_no_damage(tmp_path: Path, suffix: str, end: int) -> None:
    """It bridges a whole cell, or several, and ends anywhere behind a border. Matroska stores no duration of a frame
    but the default one.
    """
    path = tmp_path / f"pause.{suffix}"
    times = [*range(70), end]
    write_numbered(path, times, **(VP9 if suffix == "webm" else P_ONLY))
    check(path, times)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_deck_cut_off_still_names_what_is_missing(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"deck.{suffix}"
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    write_numbered(path, [*range(100), 400, 700], container_options=options, **P_ONLY)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4] if suffix == "mp4" else content)
    found = shown(path)
    assert found.seconds == pytest.approx(70.1, abs=1)
    assert found.missing == ((1, 2, 3, 4, 5, 6, 7) if suffix == "mp4" else ())
