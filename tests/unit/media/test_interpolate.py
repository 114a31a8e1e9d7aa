"""Pictures between pictures: where things are, what covers them, and never across a cut."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from pydantic import JsonValue

from stream.errors import BadMedia, BadRequest
from stream.media.interpolate.operator import Interpolate
from stream.media.transcode.facts import facts_of
from tests.support.media_examples import made, work
from tests.support.moving_pictures import moving, psnr, shown, write_film


def interpolated(folder: Path, source: Path, **settings: JsonValue) -> Path:
    task = work(Interpolate(), settings, {"source": source}, folder / "work")
    made(Interpolate(), task)
    return task.folder / "picture.mkv"


def test_what_moves_is_halfway_and_covers_what_it_covers(tmp_path: Path) -> None:
    source = write_film(tmp_path / "s.mkv", (moving(2 * k) for k in range(5)), rate=Fraction(25, 2), pix_fmt="yuv444p")
    result = shown(interpolated(tmp_path, source))
    own = shown(source)
    assert len(result) == 10
    assert all(np.array_equal(result[2 * k], own[k]) for k in range(5))
    # All of it, and around the moving edges, where one of the two pictures does not show what is there.
    for area in ((slice(None), slice(None)), (slice(20, 90), slice(20, 150))):
        gains = []
        for k in (1, 3, 5, 7):
            blend = np.rint((own[k // 2].astype(float) + own[k // 2 + 1]) / 2)
            gains.append(psnr(result[k][area], moving(k)[area]) - psnr(blend[area], moving(k)[area]))
        assert min(gains) > 3 and sum(gains) > 4 * 4, gains
    # Nothing comes after the last picture: it is held.
    assert np.array_equal(result[9], own[4])


def test_at_a_cut_the_nearer_picture_is_held(tmp_path: Path) -> None:
    pictures = [moving(k) for k in range(3)] + [moving(k, scene=1) for k in range(3)]
    source = write_film(tmp_path / "s.mkv", pictures)
    result = shown(interpolated(tmp_path, source, factor=4))
    own = shown(source)
    assert [np.array_equal(result[place], own[2]) for place in (8, 9, 10, 11, 12)] == [True, True, True, False, False]
    assert [np.array_equal(result[place], own[3]) for place in (10, 11, 12)] == [False, True, True]
    assert not np.array_equal(result[7], own[1]) and not np.array_equal(result[7], own[2])


@pytest.mark.parametrize(
    ("settings", "rate", "frames"),
    [({"factor": 3}, Fraction(75), 30), ({"fps": "60000/1001"}, Fraction(60000, 1001), 24), ({"fps": 24}, 24, 10)],
)
def test_durations_are_exact_to_the_frame(
    tmp_path: Path, settings: Mapping[str, JsonValue], rate: Fraction, frames: int
) -> None:
    source = write_film(tmp_path / "s.mkv", (moving(k) for k in range(10)))
    result = interpolated(tmp_path, source, **settings)
    facts = facts_of(result, None)
    assert (Fraction(facts.rate), facts.frames) == (rate, frames) == (rate, round(10 * rate / 25))
    assert len(shown(result)) == frames


def test_pixels_and_colours_stay(tmp_path: Path) -> None:
    pictures = (moving(k) for k in range(3))
    source = write_film(tmp_path / "s.mkv", pictures, pix_fmt="yuv422p10le", tags=(6, 5, 6, 2))
    result = interpolated(tmp_path, source)
    facts = facts_of(result, None)
    assert (facts.pixel_format, facts.colours) == ("yuv422p10le", (6, 5, 6, 2))
    first, between, last = shown(result, "gbrp16le")[:3]
    assert psnr(between >> 8, (first.astype(float) + last) / 512) > 25


def test_it_is_upright_and_its_pixels_are_square(tmp_path: Path) -> None:
    pictures = (moving(k) for k in range(3))
    source = write_film(tmp_path / "s.mp4", pictures, aspect=Fraction(4, 3), degrees=90)
    result = interpolated(tmp_path, source)
    assert shown(result)[0].shape == (256, 112, 3)
    upright = np.rot90(moving(0)[:, :, 0], -1)
    small = np.asarray(Image.fromarray(shown(result)[0][:, :, 0]).resize((112, 192)))
    assert psnr(small, upright) > 30


@pytest.mark.parametrize("after", [Fraction(1, 2), Fraction(-1, 4)])
def test_sound_is_copied_and_keeps_its_distance(tmp_path: Path, after: Fraction) -> None:
    source = write_film(tmp_path / "s.mkv", (moving(k) for k in range(25)), sound_s=1.5, sound_after_s=after)
    result = interpolated(tmp_path, source)
    (before, started), (copied, starts) = sound_of(source), sound_of(result)
    assert copied == before and len(copied) > 60
    assert abs(starts - started) < Fraction(1, 500)


def test_sound_that_cannot_be_copied_is_told_before_anything_is_made(tmp_path: Path) -> None:
    pictures = (moving(k) for k in range(3))
    source = write_film(tmp_path / "s.mov", pictures, sound_s=0.2, sound_codec="pcm_f32be")
    operator = Interpolate()
    task = work(operator, {}, {"source": source}, tmp_path / "work")
    with pytest.raises(BadMedia, match="transcode the film first") as caught:
        operator.divide(task)
    assert caught.value.code == "unsupported_sound"


def sound_of(path: Path) -> tuple[list[bytes], Fraction]:
    """All packets, and how long the first one begins after the first picture."""
    packets: list[bytes] = []
    start: dict[str, Fraction] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                start.setdefault(packet.stream.type, packet.pts * packet.time_base)
                if packet.stream.type == "audio":
                    packets.append(bytes(packet))
    return packets, start["audio"] - start["video"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [({"factor": 9}, "factor"), ({"factor": 2, "fps": 50}, "fps"), ({"fps": "1/0"}, "fps"), ({"fps": 121}, "fps")],
)
def test_settings_have_bounds(settings: Mapping[str, JsonValue], field: str) -> None:
    with pytest.raises(BadRequest, match=f"^{field}: ") as caught:
        Interpolate().check(settings, ["source"])
    assert caught.value.code == "template_invalid"


def test_too_many_pictures_a_second_are_refused(tmp_path: Path) -> None:
    source = write_film(tmp_path / "s.mkv", (moving(k) for k in range(3)), rate=Fraction(50))
    with pytest.raises(BadMedia, match="at most 120"):
        interpolated(tmp_path, source, factor=3)
