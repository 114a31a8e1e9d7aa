"""Thumbnails: small JPEGs that show a moment."""

import io

import numpy as np

from models.protocol import Image

# Every row of the index holds one, so they are small.
LONG_SIDE = 320
QUALITY = 80


def jpeg(image: Image) -> bytes:
    """A JPEG file with a long side of at most 320 pixels."""
    from PIL import Image as Pillow

    picture = Pillow.fromarray(image)
    picture.thumbnail((LONG_SIDE, LONG_SIDE), Pillow.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=QUALITY)
    return buffer.getvalue()


def from_jpeg(data: bytes) -> Image:
    """A thumbnail as RGB uint8 [height, width, 3]."""
    from PIL import Image as Pillow

    return np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB"))
