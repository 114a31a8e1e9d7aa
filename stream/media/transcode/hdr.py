"""HDR in delivery files: how PQ and HLG are shown as SDR, and the metadata of HDR10. Pure but for writing the table."""

import struct
from functools import cache
from pathlib import Path

import numpy as np

from stream.events.transfer import Transfer, shown_as_sdr

POINTS = 65
"""Along each side of the table. Steps of PQ are about equal to the eye, so straight lines between them do."""


def write_table(path: Path, transfer: Transfer) -> None:
    """R'G'B' of BT.2020 to those of BT.709 as a `.cube`, by the method of `stream.events.transfer`: what is delivered
    looks as its samples did when it was understood.
    """
    path.write_text(_table(transfer), encoding="ascii")


@cache
def _table(transfer: Transfer) -> str:
    # Kept, as every part of a film needs it: 7 MB, half a second.
    steps = np.linspace(0.0, 1.0, POINTS, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    shown = shown_as_sdr(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer)
    lines = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in shown.tolist())
    return f"LUT_3D_SIZE {POINTS}\n{lines}\n"


def mastering_of(metadata: bytes | None, light: bytes | None) -> tuple[int, ...]:
    """(ten chromaticities and luminances in the units of SMPTE ST 2086, MaxCLL, MaxFALL) from FFmpeg's side data; empty
    where the display is not described whole. Order: green, blue, red, white (x, y each), highest and lowest luminance.
    """
    if metadata is None or len(metadata) < 88:
        return ()
    numbers = struct.unpack("=22i", metadata[:88])
    if not numbers[20] or not numbers[21]:
        return ()
    pairs = list(zip(numbers[0:20:2], numbers[1:20:2], strict=True))
    if any(below <= 0 or above < 0 for above, below in pairs):
        return ()
    red, green, blue, white = ([_scaled(pair, 50_000) for pair in pairs[at : at + 2]] for at in (0, 2, 4, 6))
    lowest, highest = _scaled(pairs[8], 10_000), _scaled(pairs[9], 10_000)
    levels = struct.unpack("=2I", light[:8]) if light is not None and len(light) >= 8 else (0, 0)
    return (*green, *blue, *red, *white, highest, lowest, *levels)


def _scaled(pair: tuple[int, int], unit: int) -> int:
    return min(round(pair[0] * unit / pair[1]), 2**32 - 1)


def x265_parameters(light: tuple[int, ...]) -> str:
    """The metadata as x265 takes it, and as SVT-AV1 does not."""
    if not light:
        return ""
    gx, gy, bx, by, rx, ry, wx, wy, highest, lowest, most, average = light
    display = f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({highest},{lowest})"
    return f":master-display={display}:max-cll={most},{average}"


def svt_parameters(light: tuple[int, ...]) -> str:
    if not light:
        return ""
    gx, gy, bx, by, rx, ry, wx, wy = (f"{value / 50_000:.5f}" for value in light[:8])
    highest, lowest = (f"{value / 10_000:.4f}" for value in light[8:10])
    display = f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({highest},{lowest})"
    return f":mastering-display={display}:content-light={light[10]},{light[11]}"
