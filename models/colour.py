"""Samples to RGB: planar YUV 4:2:0 with its matrix, range and transfer (ITU-T H.273) to display-referred sRGB."""

import numpy as np
import numpy.typing as npt

from models.protocol import Floats, Image
from stream.events.frames import Colour, Frames

# Kr, Kb of ITU-R BT.601, BT.709 and BT.2020.
LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
# BT.2020 to BT.709 primaries, linear light (ITU-R BT.2087).
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
REFERENCE_WHITE_NITS = 203.0  # ITU-R BT.2408
PEAK_NITS = 1000.0


def images_of(frames: Frames) -> list[Image]:
    """RGB uint8 [height, width, 3], one per sample."""
    return [to_rgb(sample.yuv, frames.width, frames.height, frames.colour) for sample in frames.samples]


def to_rgb(yuv: bytes, width: int, height: int, colour: Colour) -> Image:
    """One frame. Chroma is upsampled bilinearly with MPEG-2 siting (left, vertically centred).

    PQ and HLG are shown as SDR: linear light over 203 nits reference white, BT.2020 to BT.709 primaries, extended
    Reinhard with white at 1000 nits, gamma 1/2.2. Other BT.2020 material keeps its primaries.
    """
    rgb = _rgb_signal(yuv, width, height, colour)
    if colour.transfer != "sdr":
        rgb = _shown_as_sdr(np.clip(rgb, 0.0, 1.0), colour.transfer)
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
    right = np.concatenate([tall[:, 1:], tall[:, -1:]], axis=1)
    wide = np.empty((tall.shape[0], tall.shape[1] * 2), np.float32)
    wide[:, 0::2] = tall
    wide[:, 1::2] = 0.5 * (tall + right)
    return wide


def _shown_as_sdr(signal: Floats, transfer: str) -> Floats:
    nits = _pq_nits(signal) if transfer == "pq" else _hlg_nits(signal)
    linear = np.maximum((nits / REFERENCE_WHITE_NITS) @ BT2020_TO_BT709.T, 0.0)
    white = PEAK_NITS / REFERENCE_WHITE_NITS
    mapped = linear * (1.0 + linear / white**2) / (1.0 + linear)
    return np.asarray(np.clip(mapped, 0.0, 1.0) ** (1 / 2.2), np.float32)


def _pq_nits(signal: Floats) -> Floats:
    """SMPTE ST 2084 EOTF."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = signal ** (1 / m2)
    return np.asarray(10_000.0 * (np.maximum(power - c1, 0.0) / (c2 - c3 * power)) ** (1 / m1), np.float32)


def _hlg_nits(signal: Floats) -> Floats:
    """ITU-R BT.2100 inverse OETF and OOTF (gamma 1.2) for a 1000-nit display."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3.0, (np.exp((signal - c) / a) + b) / 12.0)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    return np.asarray(PEAK_NITS * scene * np.maximum(luminance, 1e-6)[..., None] ** 0.2, np.float32)
