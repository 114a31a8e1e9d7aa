"""Facts that a stream's pictures state themselves, from an encoded file to samples: each is right for each picture."""

import gc
import itertools
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.ffmpeg.header import _header
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from models.pictures.colour import images_of
from stream.errors import BadMedia
from stream.events.grid import SECOND_NS
from tests.support.pictures import (
    QUICK,
    corners,
    decoded,
    disc,
    encoded,
    joined,
    muxed,
    remuxed,
    roundness,
    shown,
    with_box,
    written,
)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("ts", "libx264"), ("flv", "libx264"), ("webm", "libvpx-vp9"), ("webm", "libvpx")]
)
def test_a_disc_stays_round_when_the_size_changes(tmp_path: Path, suffix: str, codec: str) -> None:
    sizes = [(160, 90), (90, 160), (160, 90), (120, 120)]
    parts = [([disc(*size)] * 20, None) for size in sizes]
    path = joined(tmp_path / f"clip.{suffix}", codec, parts)
    _, (cell,) = decoded(path)
    images = images_of(cell)
    assert len(images) >= 8
    for image in images:
        assert image.shape == (90, 160, 3)
        assert roundness(image) == pytest.approx(1.0, abs=0.06)
    assert cell.dense is not None
    tall = cell.dense[25 + 75]  # 48x27 stands for 160x90 here: a disc is as round in it
    assert roundness(tall) == pytest.approx(1.0, abs=0.25)
    assert tall[:, :10].max() < 30
    assert tall[:, -10:].max() < 30


@pytest.mark.parametrize(("suffix", "codec"), [("ts", "libx264"), ("ts", "mpeg2video"), ("mkv", "libx264")])
def test_a_disc_stays_round_when_only_its_pixels_change(tmp_path: Path, suffix: str, codec: str) -> None:
    wide, narrow = Fraction(64, 45), Fraction(16, 15)
    parts = [([disc(180, 144, float(aspect))] * 20, aspect) for aspect in (wide, narrow, wide)]
    images = shown(joined(tmp_path / f"clip.{suffix}", codec, parts))
    assert len(images) >= 6
    assert [roundness(image) for image in images] == pytest.approx([1.0] * len(images), abs=0.06)


@pytest.mark.parametrize("turned", [0, 90])
def test_a_picture_is_freed_when_the_next_is_shown(tmp_path: Path, turned: int) -> None:
    """Not when the garbage collector comes: 700 pictures of 4K would wait for it."""
    path = written(tmp_path / "clip.mp4", "libx264", [corners()] * 60, turned=turned)
    decoder = PyAVDecoder()
    gc.collect()
    gc.disable()
    try:
        source = open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))
        assert list(decoder.decode(source, span_of(decoder.inspect(source), path)))
        left = sum(type(each) is av.VideoFrame for each in gc.get_objects())
    finally:
        gc.enable()
    assert left < 10


@pytest.mark.parametrize(
    ("suffix", "codec", "entry", "pix_fmt"),
    [
        ("mp4", "libx264", b"avc1", "yuv420p"),
        ("mov", "libx265", b"hev1", "yuv420p"),
        ("mov", "png", b"png ", "rgb24"),
        ("mov", "prores_ks", b"apch", "yuv422p10le"),
    ],
)
def test_a_clean_aperture_is_what_is_shown(tmp_path: Path, suffix: str, codec: str, entry: bytes, pix_fmt: str) -> None:
    """Of 160x90, 120x46 eight columns right of the middle: the corners lie outside, the disc inside."""
    picture = corners()
    picture[24:66, 67:109] = disc(42, 42)
    path = written(tmp_path / f"clip.{suffix}", codec, [picture] * 3, pix_fmt=pix_fmt)
    with_box(path, entry, struct.pack(">I4s8i", 40, b"clap", 120, 1, 46, 1, 8, 1, 0, 1))
    media, (cell,) = decoded(path)
    assert media.crop == (22, 22, 28, 12)
    assert (media.display_width, media.display_height) == (120, 46) == (cell.width, cell.height)
    image = images_of(cell)[0].astype(int)
    for row, column in itertools.product((1, -2), (1, -2)):
        assert np.abs(image[row, column] - 120).max() < 30
    rows, columns = np.nonzero(image.min(-1) > 160)
    assert (rows.mean(), columns.mean()) == pytest.approx((22.5, 59.5), abs=1)
    assert roundness(images_of(cell)[0]) == pytest.approx(1.0, abs=0.08)


BAR = (30, 160, 60)


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        ("mov", "png", "rgba"),
        ("mov", "png", "ya8"),
        ("mov", "qtrle", "argb"),
        ("mov", "prores_ks", "yuva444p10le"),
        ("mkv", "ffv1", "yuva420p"),
        ("webm", "libvpx-vp9", "yuva420p"),
        ("webm", "libvpx", "yuva420p"),
    ],
)
def test_transparent_pixels_are_black(tmp_path: Path, suffix: str, codec: str, pix_fmt: str) -> None:
    """Whatever colour they hide; opaque ones keep theirs, and half transparent ones half of it."""
    picture = np.zeros((90, 160, 4), np.uint8)
    picture[..., :3] = (255, 0, 255)
    picture[30:60, 20:80] = (*BAR, 255)
    picture[30:60, 80:140] = (*BAR, 128)
    media, (cell,) = decoded(written(tmp_path / f"clip.{suffix}", codec, [picture] * 3, pix_fmt=pix_fmt))
    grey = pix_fmt == "ya8"
    bar = np.array([round(0.2126 * 30 + 0.7152 * 160 + 0.0722 * 60)] * 3 if grey else BAR)
    assert cell.dense is not None
    for image, scale in ((images_of(cell)[0], 1.0), (cell.dense[25], 48 / 160)):
        rows = [round(row * scale) for row in (10, 45, 45)]
        columns = [round(column * scale) for column in (80, 50, 110)]
        hidden, opaque, half = (image[row, column].astype(int) for row, column in zip(rows, columns, strict=True))
        assert hidden.max() <= 8
        assert np.abs(opaque - bar).max() <= 24 if grey else 14
        assert np.abs(half - bar / 2).max() <= 24 if grey else 14
    assert media.notes == ()


PATCHES = [(255, 255, 255), (128, 128, 128), (220, 20, 20), (20, 200, 20), (20, 20, 220), (230, 220, 20)]


def ipt(rgb: tuple[int, int, int]) -> npt.NDArray[np.float64]:
    """IPT of PQ-coded LMS, SDR white at 203 nits; P and T at half scale."""
    light = np.array(rgb) / 255
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    wide = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]) @ light
    lms = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096 @ wide
    power = np.clip(lms * 203 / 10_000, 0, 1) ** 0.1593017578125
    signal = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    planes = np.array([[0.4, 0.4, 0.2], [4.455, -4.851, 0.396], [0.8056, 0.3572, -1.1628]]) @ signal
    return planes / [1, 2, 2]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_dolby_vision_profile_5_has_its_colours(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "clip.mp4"
    codes = np.rint(np.array([ipt(patch) for patch in PATCHES]) * [876, 896, 896] + [64, 512, 512]).astype(np.uint16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 192, 90, "yuv420p10le"
        stream.codec_context.codec_tag = "hvc1"
        stream.options = {"crf": "10", **QUICK["libx265"]}
        for number in range(3):
            frame = av.VideoFrame(192, 90, "yuv420p10le")
            for place, plane in enumerate(frame.planes):
                row = np.zeros(plane.line_size // 2, np.uint16)
                row[: plane.width] = codes[:, place].repeat(plane.width // 6)
                plane.update(np.tile(row, (plane.height, 1)).tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    record = bytes([1, 0, 5 << 1, 1 << 3 | 0b101, 0]) + bytes(19)
    with_box(path, b"hvc1", struct.pack(">I4s", 32, b"dvcC") + record, renamed=b"dvh1")
    path = remuxed(path, suffix)
    media, (cell,) = decoded(path)
    assert media.dolby_vision == 5
    assert "Dolby Vision profile 5" in media.notes[0]
    assert cell.dense is not None
    for image in (images_of(cell)[0], cell.dense[25]):
        for number, patch in enumerate(PATCHES):
            pixel = image[image.shape[0] // 2, round((number + 0.5) * image.shape[1] / 6)].astype(int)
            assert np.abs(pixel - patch).max() <= 30  # the tone map keeps room above white


def test_colours_that_change_are_each_read_by_their_own(tmp_path: Path) -> None:
    """Half of the clip says full range BT.601, half limited BT.709: one cell, one colour on the screen."""
    wanted = np.array([200, 60, 30])
    packets = [tagged(matrix, span, wanted, first=20 * part) for part, (matrix, span) in enumerate([(6, 2), (1, 1)])]
    path = muxed(tmp_path / "clip.ts", itertools.chain(*packets))
    _, (cell,) = decoded(path)
    assert cell.colour.full_range
    assert [sample.colour.full_range for sample in cell.samples if sample.colour is not None] == [False, False]
    for image in images_of(cell):
        assert np.abs(image[45, 80].astype(int) - wanted).max() <= 6


def tagged(matrix: int, span: int, rgb: npt.NDArray[np.int_], first: int) -> list["av.Packet[av.VideoStream]"]:
    red, blue = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}[matrix]
    luma = float(np.array([red, 1 - red - blue, blue]) @ rgb) / 255
    chroma = (rgb[2] / 255 - luma) / (2 * (1 - blue)), (rgb[0] / 255 - luma) / (2 * (1 - red))
    scale, black, reach = (255, 0, 255) if span == 2 else (219, 16, 224)
    codes = [round(black + scale * luma), *(round(128 + reach * part) for part in chroma)]
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = 160, 90, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 10), Fraction(10)
    context.colorspace, context.color_range = matrix, span
    context.options = {**QUICK["libx264"]}
    packets = []
    for number in range(20):
        frame = av.VideoFrame(160, 90, "yuv420p")
        for plane, code in zip(frame.planes, codes, strict=True):
            plane.update(bytes([code]) * plane.buffer_size)
        frame.colorspace, frame.color_range = matrix, span
        frame.pts, frame.time_base = first + number, Fraction(1, 10)
        packets += context.encode(frame)
    return packets + context.encode(None)


@pytest.mark.parametrize("suffix", ["nut", "avi"])
def test_repeated_pictures_are_no_damage(tmp_path: Path, suffix: str) -> None:
    """An empty packet shows the last picture again (Theora, AVI): NUT hands it on, AVI's index does not list it."""
    packets: list[av.Packet[Any]] = [*encoded("mjpeg", [corners()] * 40, 0, pix_fmt="yuvj420p")]
    for number in range(40):
        if number % 4 and number != 39:
            packets[number] = av.Packet(b"")
        packets[number].pts = packets[number].dts = number
    path = muxed(tmp_path / f"clip.{suffix}", packets, codec="mjpeg", pix_fmt="yuvj420p")
    media, (cell,) = decoded(path)
    assert media.duration_ns == 4 * SECOND_NS
    assert not cell.damaged
    assert len(cell.samples) == 4


def encrypted(path: Path, pictures: int) -> Path:
    """With common encryption."""
    scheme = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "00112233445566778899aabbccddeeff",
        "encryption_kid": "00112233445566778899aabbccddeeff",
    }
    return muxed(path, encoded("libx264", [corners()] * pictures, 0), options=scheme)


def test_encrypted_footage_is_refused_in_words(tmp_path: Path) -> None:
    """Common encryption: also where the codec behind it is not named."""
    path = encrypted(tmp_path / "clip.mp4", 20)
    data = path.read_bytes()
    assert b"encv" in data
    for content in (data, data.replace(b"frmaavc1", b"frmaxxxx")):
        path.write_bytes(content)
        with pytest.raises(BadMedia, match="encrypted") as refused:
            decoded(path)
        assert refused.value.code == "encrypted"


def test_what_is_encrypted_from_a_time_on_is_missing(tmp_path: Path) -> None:
    """A clear beginning is shown; the cells behind it are named, by code, and none of their noise is kept."""
    path = encrypted(tmp_path / "clip.mp4", 250)
    clear = joined(tmp_path / "clear.mp4", "libx264", [([corners()] * 250, None)])
    data, plain = bytearray(path.read_bytes()), clear.read_bytes()
    with av.open(str(path)) as locked, av.open(str(clear)) as open_one:
        entries = zip(locked.streams.video[0].index_entries, open_one.streams.video[0].index_entries, strict=True)
        for hidden, shown_one in itertools.islice(entries, 100):  # they point into what the containers hold
            data[hidden.pos : hidden.pos + hidden.size] = plain[shown_one.pos : shown_one.pos + shown_one.size]
    # The samples' auxiliary information says of each first hundred: nothing of it is ciphertext.
    mark = data.index(b"senc") + 4
    count = struct.unpack_from(">I", data, mark + 4)[0]
    place = mark + 8
    for number in range(count):
        place += 8
        for part in range(struct.unpack_from(">H", data, place)[0]):
            at = place + 2 + 6 * part
            clear_bytes, ciphertext = struct.unpack_from(">HI", data, at)
            if number < 100:
                struct.pack_into(">HI", data, at, clear_bytes + ciphertext, 0)
        place += 2 + 6 * struct.unpack_from(">H", data, place)[0]
    path.write_bytes(data)
    source = open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))
    decoder = PyAVDecoder()
    came: list[int] = []
    with pytest.raises(BadMedia, match="encrypted") as refused:
        came.extend(cell.segment for cell in decoder.decode(source, span_of(decoder.inspect(source), path)))
    source.close()
    assert came == [0]
    assert (refused.value.code, refused.value.segments) == ("encrypted", (1, 2))


def test_a_header_is_asked_for_without_randomness(tmp_path: Path) -> None:
    """FFmpeg has none in the sandbox, and then computes for 30 ms to make some."""
    path = written(tmp_path / "film.mp4", "libx264", [corners()] * 3)
    with av.open(str(path)) as container:
        first, second = (_header(container.streams.video[0], "matroska", {}) for _ in range(2))
    assert first is not None
    assert first == second
