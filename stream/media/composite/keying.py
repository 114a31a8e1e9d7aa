"""Chroma key (pure): what is like a colour becomes transparent, and its tint is taken out of what stays."""

import numpy as np

from stream.media.composite.canvas import TO_YCBCR, Planes
from stream.media.composite.layers import ChromaKey
from stream.media.composite.values import rgba


def keyed(planes: Planes, alpha: Planes | None, key: ChromaKey) -> tuple[Planes, Planes]:
    """Colours and alpha of a layer, keyed. Distances are measured in the plane of Cb and Cr."""
    red, green, blue, _ = rgba(key.colour)
    wanted = (TO_YCBCR @ np.array([red, green, blue], np.float32))[1:]
    chroma = planes[1:].astype(np.float32) - 128
    distance = np.hypot(chroma[0] - wanted[0], chroma[1] - wanted[1]) / np.float32(224)
    shown = np.clip((distance - np.float32(key.similarity)) / np.float32(max(key.softness, 1e-3)), 0, 1)
    made = np.rint(shown * 255).astype(np.uint8)
    if alpha is not None:
        made = np.minimum(made, alpha)
    return _without_spill(planes, chroma, wanted, key.spill), made


def _without_spill(
    planes: Planes,
    chroma: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]",
    wanted: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]",
    share: float,
) -> Planes:
    length = float(np.hypot(*wanted))
    if not share or length < 1:
        return planes
    towards = wanted / np.float32(length)
    tint = np.maximum(chroma[0] * towards[0] + chroma[1] * towards[1], 0) * np.float32(share)
    # Colours within 45 degrees of the key lose their tint; those beside it, such as yellow of green, keep theirs.
    across = np.abs(chroma[0] * towards[1] - chroma[1] * towards[0])
    tint = np.maximum(tint - across, 0)
    cleaned = planes.copy()
    for index in (0, 1):
        cleaned[1 + index] = np.rint(chroma[index] - tint * towards[index] + 128).clip(0, 255).astype(np.uint8)
    return cleaned
