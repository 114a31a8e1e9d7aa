"""Geometry for image models."""

import numpy as np

from models.protocol import Image

_LONGEST = 16
"""The longest side in units of the short side. Of a longer picture (a line of pixels) only the middle is resized: the
crop keeps nothing else, and the resized picture would not fit in memory.
"""


def resized_crop(image: Image, *, resize: int, crop: int) -> Image:
    """Resizes (bicubic) to short side `resize`, then takes the central `crop` x `crop`; uint8 [crop, crop, 3]."""
    from PIL import Image as Pillow

    image = _middle(image)
    height, width = image.shape[:2]
    scale = resize / min(height, width)
    # Not below the crop: a rounded side could otherwise be one pixel too short.
    size = (max(crop, round(width * scale)), max(crop, round(height * scale)))
    picture = Pillow.fromarray(image)
    if picture.size != size:
        picture = picture.resize(size, Pillow.Resampling.BICUBIC)
    left, top = (size[0] - crop) // 2, (size[1] - crop) // 2
    return np.asarray(picture.crop((left, top, left + crop, top + crop)))


def _middle(image: Image) -> Image:
    height, width = image.shape[:2]
    longest = _LONGEST * min(height, width)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    return image[top : top + longest, left : left + longest]


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """L2-normalises rows, as float32; a zero row stays zero."""
    # The lower bound only avoids a division by zero.
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-12), np.float32)
