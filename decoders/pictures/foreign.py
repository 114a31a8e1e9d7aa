"""Converts pixels whose colour model samples cannot store (not Y'CbCr) to SDR RGB (pure).

YCgCo and ICtCp follow ITU-T H.273 and BT.2100 (PQ). Dolby Vision profile 5 is IPT-PQ-c2: its planes are I, P, T of
PQ-coded LMS. Streams with Dolby's metadata (RPU) code P and T at full scale and mix 2 % of each cone's light into the
others, as every such RPU states. Without an RPU, P and T have half scale, as H.273 scales ICtCp, and the LMS is that of
BT.2100. The RPU's reshaping curves are not applied.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from stream.events.transfer import pq_nits, pq_signal, shown_as_sdr

Foreign = Literal["ycgco", "ictcp", "ipt", "ipt-rpu"]
_Matrix = npt.NDArray[Any]

_RGB_TO_LMS = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096
_LMS_TO_ICTCP = np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096
_LMS_TO_IPT = np.array([[0.4, 0.4, 0.2], [4.455, -4.851, 0.396], [0.8056, 0.3572, -1.1628]])
# Without an RPU, P and T are coded at half scale: this doubles them again.
_HALF_CHROMA = np.diag([1, 2, 2])
_CROSSTALK = np.full((3, 3), 0.02) + np.diag([0.94] * 3)
_CONES_TO_RGB = np.array(
    [
        [3.06441879, -2.16597676, 0.10155818],
        [-0.65612108, 1.78554118, -0.12943749],
        [0.01736321, -0.04725154, 1.03004253],
    ]
)
"""Hunt-Pointer-Estevez LMS to BT.2020."""
_PQ_KINDS: dict[str, tuple[_Matrix, _Matrix]] = {
    "ictcp": (np.linalg.inv(_LMS_TO_ICTCP), np.linalg.inv(_RGB_TO_LMS)),
    "ipt": (np.linalg.inv(_LMS_TO_IPT) @ _HALF_CHROMA, np.linalg.inv(_RGB_TO_LMS)),
    "ipt-rpu": (np.linalg.inv(_LMS_TO_IPT), _CONES_TO_RGB @ np.linalg.inv(_CROSSTALK)),
}
"""For each kind: the matrix to PQ-coded LMS, and the matrix from linear LMS to linear BT.2020 RGB."""


def foreign_to_rgb(planes: npt.NDArray[np.uint16], kind: Foreign, *, full_range: bool) -> npt.NDArray[np.uint8]:
    """uint16 [3, h, w] with 8-bit code values times 256, to uint8 [h, w, 3] RGB."""
    signal = _normalised(planes.astype(np.float32) / np.float32(256), full_range=full_range)
    rgb = _ycgco(signal) if kind == "ycgco" else _perceptual(signal, kind)
    return np.ascontiguousarray(np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8))


def _normalised(codes: npt.NDArray[np.float32], *, full_range: bool) -> npt.NDArray[np.float32]:
    """[h, w, 3]: the first channel in 0..1, the others in -0.5..0.5."""
    black, luma, chroma = (0.0, 255.0, 255.0) if full_range else (16.0, 219.0, 224.0)
    return np.stack([(codes[0] - black) / luma, (codes[1] - 128) / chroma, (codes[2] - 128) / chroma], axis=-1)


def _ycgco(signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    luma, green, orange = np.moveaxis(signal, -1, 0)
    return np.stack([luma - green + orange, luma + green, luma - green - orange], axis=-1)


def _perceptual(signal: npt.NDArray[np.float32], kind: str) -> npt.NDArray[np.float32]:
    to_cones, to_rgb = (matrix.astype(np.float32).T for matrix in _PQ_KINDS[kind])
    # Values outside 0..1 have no meaning in PQ.
    light = pq_nits(np.clip(signal @ to_cones, 0, 1)) @ to_rgb
    return shown_as_sdr(pq_signal(np.maximum(light, 0)), "pq")
