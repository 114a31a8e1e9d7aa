"""Reads the picture files of image queries in the form of frames: upright, 8 bits, no transparency."""

import io
import warnings
from typing import Any

import numpy as np

from models.protocol import Image
from stream.errors import BadMedia

# Decoded, this is 400 MB. More would let one query take a worker's memory.
MAX_PIXELS = 100_000_000
# Their decoders hold four copies of a picture.
MAX_PIXELS_OF = {"WEBP": 34_000_000, "AVIF": 34_000_000}
MAX_SIDE = 4_096
"""Longer pictures are made smaller: models look at a tenth of it, and each copy on the way costs memory."""
STRIP_ROWS = 64
_ORIENTATION = 0x0112
MAX_FILE_BYTES = 256 << 20
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM")
"""Formats that Pillow decodes without another program or a script (as EPS needs)."""


def pixels_of(data: bytes) -> Image:
    """RGB uint8 [height, width, 3] of an encoded picture; of an animation, the first picture. One that is longer than
    `MAX_SIDE` is made smaller by a whole number, each pixel the mean of those that it stands for.

    EXIF orientation is applied, 16 bits are scaled to 8, and transparent pixels become black. Raises `BadMedia`
    (`bad_picture`) with the reason for a picture that cannot be converted.
    """
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    if not data:
        raise _bad("it is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
                # Before `load`: the header is cheap to read, and the pixels of a decompression bomb are not.
                most = MAX_PIXELS_OF.get(picture.format or "", MAX_PIXELS)
                if picture.width * picture.height > most:
                    raise _bad(f"it has more than {most // 1_000_000} million pixels; make it smaller")
                return _rgb(_upright(picture)) if max(picture.size) <= MAX_SIDE else _smaller(picture)
        except BadMedia:
            raise
        except UnidentifiedImageError:
            raise _bad(f"it is none of {', '.join(FORMATS)}, or its beginning is damaged") from None
        except Pillow.DecompressionBombError:
            raise _bad(f"it has more than {MAX_PIXELS // 1_000_000} million pixels; make it smaller") from None
        except Exception as error:  # noqa: BLE001 - Pillow's decoders raise any exception type for damaged files
            raise _bad(f"it is damaged or cut off ({_reason(error)}); save it again") from None


def _upright(picture: Any) -> Any:
    """The picture turned by its EXIF orientation; unreadable EXIF data is ignored."""
    from PIL import ImageOps

    # Decodes here, so that errors of the file are not taken for errors of its EXIF data.
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # noqa: BLE001 - damaged EXIF data can raise any exception type
        return picture


def _smaller(picture: Any) -> Image:
    """A long picture, a few rows at a time: whole copies in other modes would take several times its memory."""
    from PIL import Image as Pillow

    # Decodes fewer pixels where the format can.
    picture.draft(picture.mode, tuple(side // _factor(picture.size) for side in picture.size))
    factor = _factor(picture.size)
    picture.load()
    rows = STRIP_ROWS * factor
    strips = (
        _rgb(picture.crop((0, top, picture.width, min(top + rows, picture.height))))
        for top in range(0, picture.height, rows)
    )
    whole = np.concatenate([np.asarray(Pillow.fromarray(strip).reduce(factor)) for strip in strips])
    small = Pillow.fromarray(whole)
    # It says how the picture is turned.
    small.getexif().update(_exif(picture))
    return np.asarray(_upright(small))


def _factor(size: tuple[int, int]) -> int:
    return -(-max(size) // MAX_SIDE)


def _exif(picture: Any) -> dict[int, Any]:
    try:
        return {name: value for name, value in picture.getexif().items() if name == _ORIENTATION}
    except Exception:  # noqa: BLE001 - damaged EXIF data can raise any exception type
        return {}


def _rgb(picture: Any) -> Image:
    from PIL import Image as Pillow

    # Pillow's own conversion would clip 16-bit grey at 255.
    if picture.mode.startswith("I"):  # 16-bit grey, as 16-bit numbers or stored in 32-bit numbers
        grey = np.clip(np.asarray(picture, np.int64), 0, 65_535)
        return np.repeat(((grey + 128) // 257).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode == "F":
        raise _bad("its pixels are floating-point numbers without a defined white; save it in 8 or 16 bits")
    if picture.has_transparency_data:
        # As in footage (ADR 0031): otherwise hidden colours of transparent pixels would count.
        shown = picture.convert("RGBA")
        black = Pillow.new("RGBA", shown.size, (0, 0, 0, 255))
        picture = Pillow.alpha_composite(black, shown)
    return np.asarray(picture.convert("RGB"))


def _bad(why: str) -> BadMedia:
    return BadMedia(why, code="bad_picture")


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words[:120] or type(error).__name__
