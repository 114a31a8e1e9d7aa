"""Whatever a stream says of its colours, pictures come of it, and what is read otherwise than tagged is said."""

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.format import names  # type: ignore[attr-defined]  # the stubs leave it out

from decoders.pictures.colour import reading_of
from decoders.pictures.rescale import Rescaler
from models.pictures.colour import to_rgb
from stream.errors import BadMedia
from stream.events.asset import Media
from stream.events.runs import Run

COLOUR = (200, 60, 30)
SIDE = 32
MEDIA = Media(
    container="mov", codec="h264", stream_index=0, width=SIDE, height=SIDE, display_width=SIDE, display_height=SIDE,
    time_base_num=1, time_base_den=25, duration_ns=10**9, runs=(Run(0, 0, 10**9, 0),),
)  # fmt: skip
SWEEPS = [
    *(("colorspace", code) for code in range(256)),
    *(("color_primaries", code) for code in range(256)),
    *(("color_trc", code) for code in range(256)),
    *(("color_range", code) for code in range(4)),
]


def plain(pix_fmt: str) -> av.VideoFrame:
    pixels = np.full((SIDE, SIDE, 3), COLOUR, np.uint8)
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pix_fmt)


def shown(frame: av.VideoFrame) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """The middle of the sample and of the dense view."""
    rescaler = Rescaler(MEDIA, 256)
    image = to_rgb(rescaler.sample(frame), rescaler.width, rescaler.height, rescaler.colour(frame))
    return image[SIDE // 2, SIDE // 2].astype(int), rescaler.dense(frame)[13, 24].astype(int)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuva420p"])
def test_no_tag_costs_a_picture(pix_fmt: str) -> None:
    """Every code of H.273, reserved ones and those to come: pictures are there, and none is black."""
    for name, code in SWEEPS:
        frame = plain(pix_fmt)
        setattr(frame, name, code)
        for pixel in shown(frame):
            assert pixel.max() > 60, (name, code)


@pytest.mark.parametrize("code", [*range(3, 4), 10, 11, 12, 13, 14, 15, 16, 17, 200])
def test_what_is_read_otherwise_is_said(code: int) -> None:
    frame = plain("yuv420p")
    frame.colorspace = code
    note = reading_of(frame, "yuv420p").note
    assert note is not None
    assert f"matrix {code} of ITU-T H.273" in note


@pytest.mark.parametrize("code", [1, 2, 4, 5, 6, 7, 8, 9])
def test_what_is_read_as_tagged_is_not(code: int) -> None:
    frame = plain("yuv420p")
    frame.colorspace = code
    assert reading_of(frame, "yuv420p").note is None


def test_constant_luminance_shows_the_colours_of_bt2020() -> None:
    red, green, blue = (0.0593 if part == 2 else (0.2627, 0.678)[part] for part in range(3))
    luma = (red * COLOUR[0] + green * COLOUR[1] + blue * COLOUR[2]) / 255
    chroma = (COLOUR[2] / 255 - luma) / (2 * (1 - blue)), (COLOUR[0] / 255 - luma) / (2 * (1 - red))
    for pixel in shown(coded([16 + 219 * luma, *(128 + 224 * part for part in chroma)], matrix=10)):
        assert np.abs(pixel - COLOUR).max() <= 4


@pytest.mark.parametrize("full", [False, True])
def test_ycgco_shows_its_colours(full: bool) -> None:
    red, green, blue = (part / 255 for part in COLOUR)
    luma, chroma_green, orange = (red + 2 * green + blue) / 4, (2 * green - red - blue) / 4, (red - blue) / 2
    black, scale, reach = (0, 255, 255) if full else (16, 219, 224)
    codes = [black + scale * luma, 128 + reach * chroma_green, 128 + reach * orange]
    for pixel in shown(coded(codes, matrix=8, full=full)):
        assert np.abs(pixel - COLOUR).max() <= 4


def test_ictcp_shows_its_colours() -> None:
    light = np.array(COLOUR) / 255
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    wide = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]) @ light
    lms = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096 @ wide * 203 / 10_000
    power = lms**0.1593017578125
    signal = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    planes = np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096 @ signal
    frame = coded([16 + 219 * planes[0], *(128 + 224 * planes[1:])], matrix=14)
    frame.color_trc = 16
    for pixel in shown(frame):
        assert np.abs(pixel - COLOUR).max() <= 12  # 8-bit PQ


def coded(codes: list[float], *, matrix: int, full: bool = False) -> av.VideoFrame:
    frame = av.VideoFrame(SIDE, SIDE, "yuv420p")
    for plane, code in zip(frame.planes, codes, strict=True):
        plane.update(bytes([round(code)]) * plane.buffer_size)
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


GREY = ("gray", "ya", "mono")
COARSE = ("rgb4", "bgr4", "rgb8", "bgr8", "rgb444", "bgr444", "rgb555", "bgr555", "yuvj")


def test_every_pixel_format_is_shown_or_refused_in_words() -> None:
    """Of those that FFmpeg writes, which the colour can be put into."""
    refused = []
    for pix_fmt in sorted(names):
        try:
            frame = plain(pix_fmt)
        except (av.error.FFmpegError, OSError, ValueError):
            continue
        try:
            pixels = shown(frame)
        except BadMedia as error:
            assert error.code == "unsupported_pixels"
            assert pix_fmt in error.message
            refused.append(pix_fmt)
            continue
        if pix_fmt.startswith(GREY):
            assert all(np.ptp(pixel) <= 2 for pixel in pixels), pix_fmt
        elif not pix_fmt.startswith(COARSE):
            assert all(np.abs(pixel - COLOUR).max() <= 4 for pixel in pixels), pix_fmt
    assert set(refused) <= {"rgb4", "bgr4"}
