"""Samples to RGB against float references: ITU-R BT.601, 709 and 2020, both ranges; PQ and HLG."""

import itertools

import numpy as np
import pytest

from models.pictures.colour import to_rgb
from models.protocol import Floats, Image
from stream.events.frames import Colour, Matrix
from stream.events.transfer import Transfer

# Kr, Kb as the recommendations print them, written out again so that a slip in the code is not copied.
PRINTED = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
BARS = np.array([*itertools.product((0.0, 0.75), repeat=3), (1.0, 1.0, 1.0), (0.2, 0.5, 0.9)], np.float32)
BAR = 16


def encoded(colours: Floats, matrix: str, *, full_range: bool) -> bytes:
    """Vertical bars as planar 4:2:0, straight from the definition of Y'CbCr."""
    kr, kb = PRINTED[matrix]
    red, green, blue = colours.T
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    offset, luma_scale, chroma_scale = (0, 255, 255) if full_range else (16, 219, 224)
    planes = [offset + luma_scale * luma, 128 + chroma_scale * cb, 128 + chroma_scale * cr]
    levels = [np.clip(np.round(plane), 0, 255).astype(np.uint8) for plane in planes]
    y = np.tile(np.repeat(levels[0], BAR), (BAR, 1))
    u, v = (np.tile(np.repeat(level, BAR // 2), (BAR // 2, 1)) for level in levels[1:])
    return y.tobytes() + u.tobytes() + v.tobytes()


def bars(colours: Floats, colour: Colour) -> Image:
    """[bars, 3]: the middle of each bar, away from the chroma edges."""
    data = encoded(colours, colour.matrix, full_range=colour.full_range)
    rgb = to_rgb(data, BAR * len(colours), BAR, colour)
    assert rgb.dtype == np.uint8
    assert rgb.shape == (BAR, BAR * len(colours), 3)
    return np.asarray(rgb[BAR // 2, BAR // 2 :: BAR])


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("full_range", [False, True])
def test_colour_bars_come_back(matrix: Matrix, full_range: bool) -> None:
    shown = bars(BARS, Colour(matrix=matrix, full_range=full_range)).astype(float)
    error = np.abs(shown - 255 * BARS)
    assert error.mean() <= 1
    assert error.max() <= 3
    # Rounding of three planes errs to both sides; a wrong coefficient errs to one.
    assert np.abs((shown - 255 * BARS).mean(0)).max() <= 0.6


def test_the_matrix_and_the_range_matter() -> None:
    data = encoded(BARS, "bt601", full_range=False)
    right, *wrong = (
        to_rgb(data, BAR * len(BARS), BAR, colour).astype(int)
        for colour in (Colour(matrix="bt601"), Colour(matrix="bt709"), Colour(matrix="bt601", full_range=True))
    )
    assert all(np.abs(right - other).mean() > 4 for other in wrong)


@pytest.mark.parametrize("colour", [Colour(), Colour(full_range=True)])
def test_values_outside_the_nominal_range_are_clipped(colour: Colour) -> None:
    for luma, chroma in itertools.product((0, 255), repeat=2):
        rgb = to_rgb(bytes([luma]) * 16 + bytes([chroma]) * 8, 4, 4, colour)
        assert rgb.shape == (4, 4, 3)


def test_chroma_is_upsampled_smoothly_and_sited_left() -> None:
    luma = bytes([128]) * 64
    ramp = bytes([100, 110, 120, 130] * 4)
    rgb = to_rgb(luma + bytes([128]) * 16 + ramp, 8, 8, Colour(full_range=True)).astype(int)
    red = rgb[4, :, 0]
    np.testing.assert_allclose(red[:7], 128 + 1.5748 * (100 + 5 * np.arange(7) - 128), atol=1)
    assert (rgb == rgb[:1]).all()


def test_chroma_is_centred_between_two_rows() -> None:
    ramp = b"".join(bytes([level]) * 4 for level in (100, 110, 120, 130))
    rgb = to_rgb(bytes([128]) * 64 + bytes([128]) * 16 + ramp, 8, 8, Colour(full_range=True)).astype(int)
    chroma = np.array([100, 102.5, 107.5, 112.5, 117.5, 122.5, 127.5, 130])
    np.testing.assert_allclose(rgb[:, 3, 0], 128 + 1.5748 * (chroma - 128), atol=1)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_high_dynamic_range_rises_and_stays_neutral(transfer: Transfer) -> None:
    ramp = np.repeat(np.linspace(0, 1, 32, dtype=np.float32)[:, None], 3, axis=1)
    shown = bars(ramp, Colour(matrix="bt2020", transfer=transfer)).astype(int)
    assert (np.diff(shown[:, 1]) >= 0).all()
    assert np.ptp(shown, axis=1).max() <= 4
    assert shown[0].max() <= 2
    assert shown[-1].min() >= 250


@pytest.mark.parametrize(("transfer", "signal"), [("pq", 0.581), ("hlg", 0.75)])
def test_reference_white_is_bright_and_the_same(transfer: Transfer, signal: float) -> None:
    """203 nits is 58 % in PQ and 75 % in HLG (ITU-R BT.2408); the EETF of BT.2390 takes it to 163 of 203 nits."""
    white = bars(np.full((2, 3), signal, np.float32), Colour(matrix="bt2020", transfer=transfer))[0]
    np.testing.assert_allclose(white, 231, atol=2)


def test_tones_below_the_knee_keep_their_light() -> None:
    """50 nits is 44.03 % in PQ: of 203 nits it stays 24.6 %, which sRGB encodes as 136."""
    grey = bars(np.full((2, 3), 0.4403, np.float32), Colour(matrix="bt2020", transfer="pq"))[0]
    np.testing.assert_allclose(grey, 136, atol=1.5)
