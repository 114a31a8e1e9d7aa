"""Pictures that people ask with: the same picture in another coding is the same question, and no file ends a search."""

import io
import struct
import subprocess
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags
from PIL import Image as Pillow

from models.hashing import HashingEmbedder
from models.pictures import files
from models.pictures.files import pixels_of
from models.pictures.geometry import resized_crop
from models.protocol import Predictions
from models.registry import ModelContext
from models.weights.fetch import WeightsCache
from stream.errors import BadMedia
from tests.support.programs import ROOT, program

SHAPE = (48, 64)
Pixels = npt.NDArray[np.uint8]


def scene() -> Pixels:
    """Every quarter looks different, so that no turn and no other order of channels goes unseen."""
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    channels = (rows * 4, columns * 3, (rows * 2 + columns) * 2 % 256)
    return np.stack(channels, axis=2).clip(0, 255).astype(np.uint8)


def encoded(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png16(values: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG by the specification: Pillow writes colour in 8 bits only."""
    height, width = values.shape[:2]
    colour = {1: 0, 3: 2, 4: 6}[1 if values.ndim == 2 else values.shape[2]]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def turned(orientation: int, kind: str = "PNG") -> bytes:
    """As a camera held otherwise writes it: pixels turned one way, EXIF saying how to turn them back."""
    turns: dict[int, Callable[[Pixels], Pixels]] = {
        2: lambda it: it[:, ::-1],
        3: lambda it: it[::-1, ::-1],
        4: lambda it: it[::-1],
        5: lambda it: it.transpose(1, 0, 2),
        6: lambda it: np.rot90(it, 1),
        7: lambda it: it[::-1, ::-1].transpose(1, 0, 2),
        8: lambda it: np.rot90(it, -1),
    }
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encoded(Pillow.fromarray(np.ascontiguousarray(turns[orientation](scene()))), kind, exif=exif)


def grey() -> Pixels:
    return scene()[..., 0]


SAME: dict[str, Callable[[], bytes]] = {
    "16 bits of colour": lambda: png16(scene().astype(np.uint16) * 257),
    "16 bits and alpha": lambda: png16(np.dstack([scene(), np.full(SHAPE, 255)]).astype(np.uint16) * 257),
    "webp": lambda: encoded(Pillow.fromarray(scene()), "WEBP", lossless=True),
    "tiff": lambda: encoded(Pillow.fromarray(scene()), "TIFF", compression="tiff_lzw"),
    "bmp": lambda: encoded(Pillow.fromarray(scene()), "BMP"),
    **{f"orientation {number}": partial(turned, number) for number in range(2, 9)},
    "orientation in tiff": lambda: turned(6, "TIFF"),
}


@pytest.mark.parametrize("name", SAME)
def test_another_coding_is_the_same_picture(name: str) -> None:
    np.testing.assert_array_equal(pixels_of(SAME[name]()), scene())


@pytest.mark.parametrize("name", SAME)
def test_another_coding_is_the_same_question(name: str) -> None:
    embedder = HashingEmbedder(ModelContext(WeightsCache.__new__(WeightsCache)))
    nothing = Predictions(np.zeros((1, 0), np.float32), np.zeros((1, 0), np.float32))
    asked, other = (embedder.embed_images([pixels], nothing)[0] for pixels in (scene(), pixels_of(SAME[name]())))
    assert float(asked @ other) > 1 - 1e-6


@pytest.mark.parametrize("name", SAME)
def test_a_long_picture_is_made_smaller_whatever_its_coding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_SIDE", 32)
    monkeypatch.setattr(files, "STRIP_ROWS", 5)
    np.testing.assert_array_equal(pixels_of(SAME[name]()), np.asarray(Pillow.fromarray(scene()).reduce(2)))


def test_a_huge_picture_takes_little_memory() -> None:
    """Eleven KiB that decode to 100 million pixels, of anybody who may search."""
    said = subprocess.run(program("huge_picture"), cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    rows, mib = map(int, said.stdout.split())
    assert rows <= files.MAX_SIDE
    # Whole copies in other modes took over 1,000.
    assert mib < 450


def test_grey_in_16_bits_is_grey_in_8() -> None:
    expected = np.repeat(grey()[..., None], 3, axis=2)
    np.testing.assert_array_equal(pixels_of(png16(grey().astype(np.uint16) * 257)), expected)
    wide = Pillow.fromarray(grey().astype(np.uint16) * 257)
    np.testing.assert_array_equal(pixels_of(encoded(wide, "TIFF")), expected)


def test_what_is_transparent_is_black() -> None:
    alpha = np.zeros(SHAPE, np.uint8)
    alpha[:24] = 255
    found = pixels_of(encoded(Pillow.fromarray(np.dstack([scene(), alpha])), "PNG"))
    np.testing.assert_array_equal(found[:24], scene()[:24])
    assert not found[24:].any()
    palette = Pillow.fromarray(scene()).quantize(16)
    shown = pixels_of(encoded(palette, "PNG", transparency=bytes([0] * 16)))
    assert not shown.any()


def test_cmyk_is_shown_in_its_colours() -> None:
    found = pixels_of(encoded(Pillow.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(found.astype(int) - (255, 0, 0)).max() < 12


def test_a_broken_turn_turns_nothing() -> None:
    found = pixels_of(encoded(Pillow.fromarray(scene()), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage"))
    np.testing.assert_array_equal(found, scene())


def text_bomb() -> bytes:
    plain = encoded(Pillow.fromarray(scene()), "PNG")
    data = b"Comment\0\0" + zlib.compress(bytes(64 << 20))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return plain[:33] + chunk + plain[33:]


def huge() -> bytes:
    plain = bytearray(png16(np.zeros((1, 1), np.uint16)))
    plain[16:24] = struct.pack(">II", 60_000, 60_000)
    plain[29:33] = struct.pack(">I", zlib.crc32(plain[12:29]))
    return bytes(plain)


BROKEN: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "words": lambda: b"not a picture at all",
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "a cut-off jpeg": lambda: encoded(Pillow.fromarray(scene()), "JPEG")[:700],
    "a cut-off png": lambda: png16(scene().astype(np.uint16))[:90],
    "only a beginning": lambda: encoded(Pillow.fromarray(scene()), "PNG")[:20],
    "a bomb": huge,
    "a bomb of text": text_bomb,
    "a webp whose decoder would take four copies": lambda: encoded(Pillow.new("L", (6_000, 6_000)), "WEBP", method=0),
    "floating point": lambda: encoded(Pillow.fromarray(scene()[..., 0].astype(np.float32)), "TIFF"),
    "a cut-off webp": lambda: encoded(Pillow.fromarray(scene()), "WEBP")[:90],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_shown_is_refused_in_words(name: str) -> None:
    with pytest.raises(BadMedia) as refused:
        pixels_of(BROKEN[name]())
    assert refused.value.code == "bad_picture"
    assert refused.value.message.startswith(("it ", "its "))


def test_of_a_line_only_the_middle_is_resized() -> None:
    line = np.zeros((2, 400_000, 3), np.uint8)
    line[:, 199_000:201_000] = 255
    assert resized_crop(line, resize=256, crop=224).min() == 255
