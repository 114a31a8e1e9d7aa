"""Geometry, colour and rescaling against plain arithmetic."""

from fractions import Fraction

import av
import av.filter
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.pictures.colour import colour_of, yuv_to_rgb
from decoders.pictures.geometry import MAX_SAMPLE_PIXELS, display_size, sample_size
from decoders.pictures.rescale import Rescaler
from stream.events.asset import Media
from stream.events.frames import Colour, Matrix
from stream.events.runs import Run

BARS = [
    (255, 255, 255),
    (255, 255, 0),
    (0, 255, 255),
    (0, 255, 0),
    (255, 0, 255),
    (255, 0, 0),
    (0, 0, 255),
    (0, 0, 0),
    (96, 96, 96),
]
WEIGHTS: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
CODES = {"bt601": 6, "bt709": 1, "bt2020": 9}


def media(width: int, height: int, rotation: int = 0) -> Media:
    shown = display_size(width, height, None, rotation)
    return Media(
        container="mov", codec="h264", stream_index=0, width=width, height=height, display_width=shown[0],
        display_height=shown[1], rotation=rotation, time_base_num=1, time_base_den=25, duration_ns=10**9,
        runs=(Run(0, 0, 10**9),),
    )  # fmt: skip


@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([64, 224, 256]))
def test_sample_sizes(width: int, height: int, short_side: int) -> None:
    sample = sample_size((width, height), (width, height), short_side)
    assert all(side % 2 == 0 and side >= 2 for side in sample)
    assert sample[0] * sample[1] <= MAX_SAMPLE_PIXELS
    assert all(side <= max(2, limit + 1) for side, limit in zip(sample, (width, height), strict=True))
    assert min(sample) <= max(short_side, 2)


def test_ordinary_sizes() -> None:
    assert sample_size((1920, 1080), (1920, 1080), 256) == (456, 256)
    assert sample_size((1080, 1920), (1080, 1920), 256) == (256, 456)
    assert sample_size((160, 90), (160, 90), 256) == (160, 90)
    assert display_size(720, 576, None, 90) == (576, 720)


def encoded(rgb: tuple[int, int, int], matrix: Matrix, *, full: bool, bits: int) -> tuple[int, int, int]:
    """The float reference of ITU-R BT.601/709/2020, quantised to `bits`."""
    red, green, blue = (value / 255 for value in rgb)
    kr, kb = WEIGHTS[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    scale = 2 ** (bits - 8)
    if full:
        top = 2**bits - 1
        return round(luma * top), round(cb * top + 128 * scale), min(top, round(cr * top + 128 * scale))
    return round((16 + 219 * luma) * scale), round((128 + 224 * cb) * scale), round((128 + 224 * cr) * scale)


def bars(matrix: Matrix, *, full: bool, bits: int) -> av.VideoFrame:
    """Vertical bars of 64 x 270 pixels, tagged."""
    name = "yuv444p" if bits == 8 else "yuv444p10le"
    dtype = np.uint8 if bits == 8 else np.uint16
    top = 2**bits - 1
    columns = np.array([encoded(rgb, matrix, full=full, bits=bits) for rgb in BARS]).clip(0, top).astype(dtype)
    planes = np.repeat(columns, 64, axis=0).T[:, None, :].repeat(270, axis=1)
    frame = av.VideoFrame(64 * len(BARS), 270, name)
    for plane, pixels in zip(frame.planes, planes, strict=True):
        padded = np.zeros((270, plane.line_size // dtype().itemsize), dtype)
        padded[:, : pixels.shape[1]] = pixels
        plane.update(padded.tobytes())
    frame.colorspace = CODES[matrix]
    frame.color_range = 2 if full else 1
    return frame


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
def test_colour_bars_keep_their_colours(matrix: Matrix, full: bool, bits: int) -> None:
    frame = bars(matrix, full=full, bits=bits)
    rescaler = Rescaler(media(frame.width, frame.height), 256)
    colour = rescaler.colour(frame)
    assert colour == Colour(matrix=matrix, full_range=full)
    width, height = rescaler.width, rescaler.height
    planes = np.frombuffer(rescaler.sample(frame), np.uint8)
    luma = planes[: width * height].reshape(height, width)
    chroma = planes[width * height :].reshape(2, height // 2, width // 2).repeat(2, 1).repeat(2, 2)
    for number, rgb in enumerate(BARS):
        at = round((number + 0.5) * width / len(BARS))
        pixel: npt.NDArray[np.uint8] = np.array([[luma[9, at]], [chroma[0, 9, at]], [chroma[1, 9, at]]], np.uint8)
        shown = yuv_to_rgb(pixel[:, :, None], colour)[0, 0].astype(int)
        assert np.abs(shown - rgb).max() <= 3
        tick = rescaler.dense(frame)[13, round((number + 0.5) * 48 / len(BARS))].astype(int)
        assert np.abs(tick - rgb).mean() <= 2


def test_untagged_pictures_go_by_height() -> None:
    assert colour_of(av.VideoFrame(64, 576), "yuv420p").matrix == "bt601"
    assert colour_of(av.VideoFrame(64, 720), "yuv420p").matrix == "bt709"


def test_transfers_are_recognised() -> None:
    frame = av.VideoFrame(64, 64)
    for code, transfer in ((16, "pq"), (18, "hlg"), (1, "sdr")):
        frame.color_trc = code
        assert colour_of(frame, "yuv420p10le").transfer == transfer


@pytest.mark.parametrize("pix_fmt", ["gbrp", "rgb24"])
def test_rgb_sources_become_bt709(pix_fmt: str) -> None:
    pixels = np.array(BARS, np.uint8).repeat(64, axis=0)[None].repeat(270, axis=0)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(format=pix_fmt)
    rescaler = Rescaler(media(frame.width, frame.height), 256)
    assert rescaler.colour(frame) == Colour(matrix="bt709", full_range=False)
    dense = rescaler.dense(frame)
    for number, rgb in enumerate(BARS):
        assert np.abs(dense[13, round((number + 0.5) * 48 / len(BARS))].astype(int) - rgb).max() <= 3


def interlaced(top: npt.NDArray[np.uint8], bottom: npt.NDArray[np.uint8]) -> av.VideoFrame:
    """A frame of two moments, marked as the decoder of an interlaced stream marks it."""
    luma = top.copy()
    luma[1::2] = bottom[1::2]
    height, width = luma.shape
    planes = np.concatenate([luma.ravel(), np.full(width * height // 2, 128, np.uint8)])
    frame = av.VideoFrame.from_ndarray(planes.reshape(height * 3 // 2, width), format="yuv420p")
    frame.time_base = Fraction(1, 25)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(source, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    marked = graph.vpull()
    assert isinstance(marked, av.VideoFrame)
    assert marked.interlaced_frame
    return marked


@pytest.mark.parametrize("size", [(720, 576), (720, 480), (1920, 1080)])
def test_an_interlaced_frame_shows_one_moment(size: tuple[int, int]) -> None:
    """A texture that moves 12 pixels a field: scaled as progressive it is 23 grey levels off."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    top, bottom = (
        (125 + 85 * np.sign(np.sin((columns - shift) / 14.0) * np.cos(rows / height * 576 / 31.0))).astype(np.uint8)
        for shift in (0, 12)
    )
    rescaler = Rescaler(media(width, height), 256)

    def luma(frame: av.VideoFrame) -> npt.NDArray[np.int64]:
        data = np.frombuffer(rescaler.sample(frame), np.uint8)[: rescaler.width * rescaler.height]
        return data.reshape(rescaler.height, rescaler.width).astype(np.int64)

    grey = np.full(width * height // 2, 128, np.uint8)
    whole = np.concatenate([top.ravel(), grey]).reshape(height * 3 // 2, width)
    expected = luma(av.VideoFrame.from_ndarray(whole, format="yuv420p"))
    frame = interlaced(top, bottom)
    assert np.abs(luma(frame) - expected).mean() < 2
    assert np.abs(luma(interlaced(bottom, bottom)) - expected).mean() > 20
    still = rescaler.dense(av.VideoFrame.from_ndarray(whole, format="yuv420p")).astype(int)
    assert np.abs(rescaler.dense(frame).astype(int) - still).mean() < 4


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_turns_clockwise(rotation: int) -> None:
    """A bright top left corner, seen after turning the picture clockwise."""
    luma = np.full((180, 320), 40, np.uint8)
    luma[:60, :100] = 220
    planes = np.concatenate([luma.ravel(), np.full(180 * 320 // 2, 128, np.uint8)]).reshape(270, 320)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    rescaler = Rescaler(media(320, 180, rotation), 90)
    shown = np.frombuffer(rescaler.sample(frame), np.uint8)[: rescaler.width * rescaler.height]
    picture = shown.reshape(rescaler.height, rescaler.width)
    expected = np.rot90(luma, -rotation // 90)
    assert picture.shape[0] * 2 == expected.shape[0]
    assert np.abs(picture.astype(int) - expected[::2, ::2]).mean() < 6
    dense = rescaler.dense(frame)
    corners = [dense[3, 3], dense[3, -4], dense[-4, -4], dense[-4, 3]]
    assert int(np.argmax([corner.sum() for corner in corners])) == rotation // 90


def woven(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], *, interlaced: bool) -> av.VideoFrame:
    """A decoded MPEG-2 frame whose even rows are of one grey picture and whose odd rows are of another."""
    height, width = first.shape
    rows = np.where(np.arange(height)[:, None] % 2, second, first)
    planes = np.concatenate([rows.ravel(), np.full(height * width // 2, 128, np.uint8)]).reshape(height * 3 // 2, width)
    encoder = av.CodecContext.create("mpeg2video", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = width, height, "yuv420p", Fraction(25)
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qscale": "1", **({"flags": "+ildct+ilme"} if interlaced else {})}
    decoder = av.CodecContext.create("mpeg2video", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), format="yuv420p")
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return next(shown for packet in [*packets, None] for shown in decoder.decode(packet))


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_tick_of_an_interlaced_frame_is_one_field(rotation: int) -> None:
    """A cut between two fields would show as half of each shot, and be missed."""
    ramp = np.linspace(40, 220, 128).astype(np.uint8)[None].repeat(96, axis=0)
    dark = np.full_like(ramp, 16)
    rescaler = Rescaler(media(128, 96, rotation), 96)
    field = woven(ramp, dark, interlaced=True)
    assert field.interlaced_frame
    shown = rescaler.dense(field).astype(int)
    plain = rescaler.dense(woven(ramp, ramp, interlaced=False)).astype(int)
    assert np.abs(shown - plain).mean() < 4
    mixed = rescaler.dense(woven(ramp, dark, interlaced=False)).astype(int)
    assert np.abs(mixed - plain).mean() > 30
