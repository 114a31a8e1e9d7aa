"""Samples to RGB: planar YUV 4:2:0 with its matrix, range and transfer (ITU-T H.273) to display-referred sRGB."""

import numpy as np
import numpy.typing as npt

from models.protocol import Floats, Image
from stream.events.frames import Colour, Frames
from stream.events.transfer import shown_as_sdr

# Kr, Kb of ITU-R BT.601, BT.709 and BT.2020.
LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


def images_of(frames: Frames) -> list[Image]:
    """One RGB image per sample, uint8 [height, width, 3]."""
    return [
        to_rgb(sample.yuv, frames.width, frames.height, sample.colour or frames.colour) for sample in frames.samples
    ]


def to_rgb(yuv: bytes, width: int, height: int, colour: Colour) -> Image:
    """Converts one frame. Chroma is upsampled bilinearly with MPEG-2 siting (left, vertically centred).

    PQ and HLG become SDR (`stream.events.transfer`, ADR 0008). Other BT.2020 material keeps its primaries.
    """
    rgb = shown_as_sdr(_rgb_signal(yuv, width, height, colour), colour.transfer)
    return np.asarray(np.clip(rgb * 255.0 + 0.5, 0.0, 255.0), np.uint8)


def _rgb_signal(yuv: bytes, width: int, height: int, colour: Colour) -> Floats:
    luma_bytes, chroma_bytes = width * height, width * height // 4
    planes = np.frombuffer(yuv, np.uint8)
    y = planes[:luma_bytes].reshape(height, width).astype(np.float32)
    u, v = (
        _upsampled(
            planes[luma_bytes + index * chroma_bytes : luma_bytes + (index + 1) * chroma_bytes].reshape(
                height // 2, width // 2
            )
        )
        for index in range(2)
    )
    if colour.full_range:
        y, scale = y / 255.0, 1.0 / 255.0
    else:
        y, scale = (y - 16.0) / 219.0, 1.0 / 224.0
    blue, red = (u - 128.0) * scale, (v - 128.0) * scale
    kr, kb = LUMA_WEIGHTS[colour.matrix]
    kg = 1.0 - kr - kb
    r = y + 2 * (1 - kr) * red
    b = y + 2 * (1 - kb) * blue
    g = y - (2 * (1 - kr) * kr / kg) * red - (2 * (1 - kb) * kb / kg) * blue
    return np.stack([r, g, b], axis=-1)


def _upsampled(plane: npt.NDArray[np.uint8]) -> Floats:
    chroma = plane.astype(np.float32)
    above = np.concatenate([chroma[:1], chroma[:-1]])
    below = np.concatenate([chroma[1:], chroma[-1:]])
    tall = np.empty((chroma.shape[0] * 2, chroma.shape[1]), np.float32)
    tall[0::2] = 0.75 * chroma + 0.25 * above
    tall[1::2] = 0.75 * chroma + 0.25 * below
    # Chroma lies on the even columns, so only odd ones need a mean.
    right = np.concatenate([tall[:, 1:], tall[:, -1:]], axis=1)
    wide = np.empty((tall.shape[0], tall.shape[1] * 2), np.float32)
    wide[:, 0::2] = tall
    wide[:, 1::2] = 0.5 * (tall + right)
    return wide
