"""Colour in plain floats, one value at a time, written from the recommendations and not from the code under test."""

import math

# Kr, Kb as ITU-R BT.601-7, BT.709-6 and BT.2020-2 print them.
PRINTED = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
Triple = tuple[float, float, float]


def coded(rgb: Triple, matrix: str, *, full: bool, bits: int) -> tuple[int, int, int]:
    """R'G'B' of 0..1 as Y', Cb, Cr code values."""
    kr, kb = PRINTED[matrix]
    red, green, blue = rgb
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    unit, top = 2 ** (bits - 8), 2**bits - 1
    if full:
        values = (luma * top, cb * top + 128 * unit, cr * top + 128 * unit)
    else:
        values = ((16 + 219 * luma) * unit, (128 + 224 * cb) * unit, (128 + 224 * cr) * unit)
    first, second, third = (min(top, max(0, round(value))) for value in values)
    return first, second, third


def pq_to_nits(signal: float) -> float:
    """SMPTE ST 2084, equation 4.1."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = signal ** (1 / m2)
    return float(10000 * (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def nits_to_pq(nits: float) -> float:
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = (nits / 10000) ** m1
    return float(((c1 + c2 * power) / (1 + c3 * power)) ** m2)


def hlg_to_nits(rgb: Triple) -> Triple:
    """BT.2100-2 table 5: inverse OETF, OOTF of a 1000-nit display."""
    a, b = 0.17883277, 1 - 4 * 0.17883277
    c = 0.5 - a * math.log(4 * a)
    scene = [value**2 / 3 if value <= 0.5 else (math.exp((value - c) / a) + b) / 12 for value in rgb]
    luminance = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2]
    gain = 1000 * luminance**0.2
    return gain * scene[0], gain * scene[1], gain * scene[2]


def eetf(nits: float) -> float:
    """BT.2390-10, 5.4.1: from a display of 1000 nits to one of 203, black at 0."""
    source, target = nits_to_pq(1000), nits_to_pq(203)
    level, peak = min(1.0, nits_to_pq(nits) / source), target / source
    knee = 1.5 * peak - 0.5
    if level >= knee:
        t = (level - knee) / (1 - knee)
        level = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * peak
    return pq_to_nits(level * source)


def sdr_of(rgb: Triple, transfer: str) -> Triple:
    """R'G'B' with BT.2020 primaries as sRGB of 0..1 with BT.709 primaries (BT.2087 matrix, IEC 61966-2-1)."""
    nits = hlg_to_nits(rgb) if transfer == "hlg" else tuple(pq_to_nits(value) for value in rgb)
    red, green, blue = (eetf(value) / 203 for value in nits)
    linear = (
        1.6605 * red - 0.5876 * green - 0.0728 * blue,
        -0.1246 * red + 1.1329 * green - 0.0083 * blue,
        -0.0182 * red - 0.1006 * green + 1.1187 * blue,
    )
    first, second, third = (_srgb(min(1.0, max(0.0, value))) for value in linear)
    return first, second, third


def _srgb(linear: float) -> float:
    return float(12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055)
