"""Still pictures of strangers, and those that are computed: rectangles, gradients and QR codes."""

import io
import math
import struct
import warnings
from pathlib import Path

import numpy as np
import segno
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from stream.errors import BadMedia
from stream.files import read_small
from stream.media.composite.canvas import Drawing, Planes, drawing_of
from stream.media.composite.layers import Gradient, ImageLayer, LogoLayer, QrLayer, ShapeLayer
from stream.media.composite.placement import Rectangle, box_of, fitted, shorter_side, within
from stream.media.composite.settings import CompositeSettings
from stream.media.composite.type import rounded
from stream.media.composite.values import pixels, rgba

MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 40_000_000
"""160 MB decoded."""
_FORMATS = ("PNG", "JPEG", "WEBP")
_DAMAGED = (
    *(OSError, ValueError, SyntaxError, MemoryError, OverflowError, EOFError, ZeroDivisionError),
    *(struct.error, TypeError, AttributeError, LookupError, ImageCms.PyCMSError),
)
"""What Pillow raises for damaged files, and for damaged EXIF data and colour profiles."""


def picture_of(path: Path, name: str) -> Image.Image:
    """A picture as RGBA in sRGB, upright. Raises `BadMedia` (`bad_image`)."""
    try:
        content = read_small(path, most_bytes=MAX_FILE_BYTES)
    except OSError as error:
        raise _bad(name, f"it cannot be read ({error.strerror})") from None
    try:
        with warnings.catch_warnings():
            # The size is checked below, before anything is decoded.
            warnings.simplefilter("ignore")
            return _decoded(content, name)
    except Image.DecompressionBombError:
        raise _bad(name, f"it has more than {MAX_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise _bad(name, "it is no picture that is read here: give PNG, JPEG or WebP") from None
    except _DAMAGED:
        raise _bad(name, "it is damaged") from None


def _decoded(content: bytes, name: str) -> Image.Image:
    picture: Image.Image = Image.open(io.BytesIO(content), formats=_FORMATS)
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _bad(name, f"it has {width} x {height} pixels; at most {MAX_PIXELS:,} are taken")
    if getattr(picture, "n_frames", 1) > 1:
        raise _bad(name, "it is animated; give a still picture, or footage in a layer of kind video")
    if picture.mode in {"CMYK", "YCCK", "LAB"}:
        raise _bad(name, f"its colours are {picture.mode}; convert it to RGB")
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith(("I", "F")):
        # Pillow clips 16-bit grey where it converts it; its high byte is the picture.
        picture = Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8))
    upright = ImageOps.exif_transpose(picture).convert("RGBA")
    return _in_srgb(upright, profile) if profile and picture.mode in {"RGB", "RGBA", "P"} else upright


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    colours = ImageCms.profileToProfile(picture.convert("RGB"), source, ImageCms.createProfile("sRGB"))
    assert colours is not None  # only conversions in place give nothing
    colours.putalpha(picture.getchannel("A"))
    return colours


def image_drawing(settings: CompositeSettings, layer: ImageLayer | LogoLayer, path: Path) -> Drawing:
    """Raises `BadMedia` (`bad_image`)."""
    picture = picture_of(path, layer.input)
    found = fitted(box_of(settings, layer), picture.size, layer.fit, layer.focus, layer.crop, layer.anchor)
    width, height = picture.size
    left, top, right, bottom = found.source
    place = found.place
    scaled = picture.resize(
        (place.width, place.height),
        Image.Resampling.LANCZOS,
        (left * width, top * height, right * width, bottom * height),
    )
    return drawing_of(np.asarray(scaled), place.left, place.top)


def mask_alpha(path: Path, name: str, place: Rectangle, *, invert: bool) -> Planes:
    """uint8 [h, w]: how much of a layer at `place` a mask shows. Raises `BadMedia` (`bad_image`)."""
    picture = picture_of(path, name)
    flat = Image.new("RGBA", picture.size, (0, 0, 0, 255))
    flat.alpha_composite(picture)
    shown = np.asarray(flat.convert("L").resize((place.width, place.height), Image.Resampling.BICUBIC))
    return 255 - shown if invert else shown


def shape_drawing(settings: CompositeSettings, layer: ShapeLayer) -> Drawing:
    box = box_of(settings, layer)
    # What lies far outside of the canvas is never seen, and would only take memory.
    width, height = min(box.width, 2 * settings.width), min(box.height, 2 * settings.height)
    box = within(box, (width, height), layer.anchor)
    if isinstance(layer.fill, Gradient):
        picture = _gradient(layer.fill, width, height)
    else:
        picture = np.broadcast_to(np.array(rgba(layer.fill), np.uint8), (height, width, 4)).copy()
    if radius := round(pixels(layer.radius, shorter_side(settings))):
        corners = np.asarray(rounded(width, height, radius)).astype(np.uint16)
        picture[:, :, 3] = (picture[:, :, 3] * corners + 127) // 255
    return drawing_of(picture, box.left, box.top)


def qr_drawing(settings: CompositeSettings, layer: QrLayer, where: str) -> Drawing:
    """Raises `BadMedia` (`text_does_not_fit`) where a module would be less than two pixels wide."""
    box = box_of(settings, layer)
    try:
        code = segno.make(layer.content, error=layer.error, micro=False, boost_error=False)
    except segno.DataOverflowError:
        raise _too_small(where, "the content is too long for a QR code; shorten it") from None
    modules = np.array([list(row) for row in code.matrix_iter(border=layer.quiet_zone)], bool)
    module = min(box.width, box.height) // modules.shape[0]
    if module < 2:
        needed = 2 * modules.shape[0]
        raise _too_small(where, f"the QR code needs {needed} x {needed} pixels; its box has {box.width} x {box.height}")
    large = np.kron(modules, np.ones((module, module), bool))
    colours = np.array([rgba(layer.light), rgba(layer.dark)], np.uint8)
    place = within(box, (large.shape[1], large.shape[0]), layer.anchor)
    return drawing_of(colours[large.astype(np.uint8)], place.left, place.top)


def _gradient(fill: Gradient, width: int, height: int) -> Planes:
    across, down = math.cos(math.radians(fill.angle)), math.sin(math.radians(fill.angle))
    columns = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height - 0.5
    # Corner to corner: the extreme colours are reached at the edges whatever the angle.
    reach = abs(across) + abs(down)
    share = np.clip((columns[None, :] * across + rows[:, None] * down) / reach + 0.5, 0, 1)
    first, last = np.array(rgba(fill.start), np.float32), np.array(rgba(fill.end), np.float32)
    picture: Planes = np.rint(first + share[:, :, None] * (last - first)).astype(np.uint8)
    return picture


def _bad(name: str, problem: str) -> BadMedia:
    return BadMedia(f"the picture {name!r} cannot be used: {problem}", code="bad_image")


def _too_small(where: str, problem: str) -> BadMedia:
    return BadMedia(f"{where}: {problem}", code="text_does_not_fit")
