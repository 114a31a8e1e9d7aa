"""PQ and HLG signals as an ordinary screen shows them. Samples and the dense view are converted alike. Pure.

Display light by ITU-R BT.2100 (HLG on a 1000-nit display); tone map by the EETF of ITU-R BT.2390 (section 5.4.1, each
of R'G'B' by itself, from 1000 nits to the reference white of BT.2408, 203 nits, black at 0); BT.2020 to BT.709
primaries by BT.2087, colours outside clipped; sRGB encoding by IEC 61966-2-1. What is darker than 94 nits keeps its
light; everything brighter than 1000 nits is white. Mastering metadata is ignored: equal signals always look equal.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Transfer = Literal["sdr", "pq", "hlg"]

REFERENCE_WHITE_NITS = 203.0
PEAK_NITS = 1000.0
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
# The constants of PQ in ITU-R BT.2100.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def shown_as_sdr(signal: Floats, transfer: Transfer) -> Floats:
    """[..., 3] R'G'B' of 0..1 with BT.2020 primaries to [..., 3] sRGB of 0..1; `sdr` is returned unchanged."""
    if transfer == "sdr":
        return signal
    bounded = np.clip(signal, 0.0, 1.0)
    pq = bounded if transfer == "pq" else pq_signal(_hlg_nits(bounded))
    linear = pq_nits(_tone_mapped(pq)) / REFERENCE_WHITE_NITS
    return _srgb(np.clip(linear @ _BT2020_TO_BT709.T, 0.0, 1.0))


def _tone_mapped(pq: Floats) -> Floats:
    """The EETF of BT.2390: a Hermite spline from the knee to the target's peak, in the PQ signal itself."""
    source, target = (float(pq_signal(np.float32(nits))) for nits in (PEAK_NITS, REFERENCE_WHITE_NITS))
    peak = target / source
    knee = 1.5 * peak - 0.5
    scaled = np.minimum(pq / source, 1.0)
    t = np.maximum(scaled - knee, 0.0) / (1.0 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * peak
    return np.asarray(np.where(scaled < knee, scaled, spline) * source, np.float32)


def pq_nits(signal: Floats) -> Floats:
    power = signal ** (1 / _M2)
    return np.asarray(10_000.0 * (np.maximum(power - _C1, 0.0) / (_C2 - _C3 * power)) ** (1 / _M1), np.float32)


def pq_signal(nits: npt.NDArray[np.float32] | np.float32) -> Floats:
    power = np.clip(nits / 10_000.0, 0.0, 1.0) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1.0 + _C3 * power)) ** _M2, np.float32)


def _hlg_nits(signal: Floats) -> Floats:
    """Inverse OETF, then the OOTF with gamma 1.2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3.0, (np.exp((signal - c) / a) + b) / 12.0)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    return np.asarray(PEAK_NITS * scene * np.maximum(luminance, 1e-6)[..., None] ** 0.2, np.float32)


def _srgb(linear: Floats) -> Floats:
    curve = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, curve), np.float32)
