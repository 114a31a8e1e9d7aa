"""What a media operator takes of memory does not grow with the length of a film."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.delivered import delivered
from tests.support.media_examples import film_with_sound
from tests.support.programs import ROOT, program

SHORT_S, LONG_S = 12, 48
MOST_MORE_KIB = 32 * 1024
LAYERS = [{"kind": "video", "input": "source"}]
SETTINGS: dict[str, dict[str, Any]] = {
    "composite": {"width": 256, "height": 128, "layers": LAYERS, "sounds": [{"input": "source"}]},
    "interpolate": {"factor": 2},
    "package": {},
    "transcode": {"profile": "h264_web", "sound": {"loudness": {"target_lufs": -23}}},
}


def peak_kib(folder: Path, operator: str, seconds: int) -> int:
    (folder / "drawn").mkdir(parents=True)
    (folder / "in").mkdir()
    film = film_with_sound(folder / "drawn", seconds=seconds)["source"]
    if operator == "package":
        film = delivered(film, {"profile": "h264_web"}, folder / "film")
    film.rename(folder / "in" / "source.mp4")
    settings = SETTINGS[operator] | ({"duration": seconds} if operator == "composite" else {})
    words = program("media_peak", operator, folder / "in", folder / "work", json.dumps(settings))
    return int(subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


@pytest.mark.long
@pytest.mark.parametrize("operator", sorted(SETTINGS))
def test_memory_is_that_of_a_short_film(operator: str, tmp_path: Path) -> None:
    short, long = peak_kib(tmp_path / "short", operator, SHORT_S), peak_kib(tmp_path / "long", operator, LONG_S)
    assert long - short < MOST_MORE_KIB, f"{short} KiB for {SHORT_S} s, {long} KiB for {LONG_S} s"
