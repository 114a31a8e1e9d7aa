"""A drawn film with known transitions, for judging shots: flat colours and outlines, drawings that are held for two or
three pictures or for a whole scene, pans over a painted background, and cuts between scenes of one palette.

The bounds of ADR 0072 were not chosen on drawings.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.shot_scenes import SIZE, Frame, Montage

DRAWINGS_A_SECOND = {"twos": 12.0, "threes": 8.0, "held": 0.0, "pan": 12.0, "run": 12.0}
PICTURE_S = 1 / 24
KINDS = ("cut", "cut", "jump", "cut", "dissolve", "cut", "jump", "cut", "fade", "cut", "cut", "dissolve", "jump", "cut")
_LENGTHS_S = {"cut": 0.0, "jump": 0.0, "dissolve": 0.5, "fade": 1.0}
_PALETTES = (
    ("#8fd0f0", "#5f9a4a", "#d9b36c", "#e2533f", "#3d3a78"),
    ("#27324f", "#3f4d74", "#6b6f8f", "#f2c14e", "#c65b7c"),
    ("#f4e3c1", "#c98f5a", "#8a5a3c", "#4f9d9d", "#e8e1d0"),
    ("#cfe8d5", "#7fb58a", "#4c7a5c", "#f08a5d", "#6a2c70"),
)
_OUTLINE, _PEN = "#1c1a22", 2
Place = tuple[int, int]


def cartoons() -> Montage:
    """Each jump keeps the background: only the figures stand elsewhere."""
    ways = list(DRAWINGS_A_SECOND)
    scenes, background = [], 0
    for number in range(len(KINDS) + 1):
        background += number > 0 and KINDS[number - 1] != "jump"
        scenes.append(partial(drawn, ways[number % len(ways)], background, number))
    return Montage("drawn", scenes, KINDS, [_LENGTHS_S[kind] for kind in KINDS])


def drawn(way: str, background: int, seed: int, time_s: float) -> Frame:
    """The picture of a scene at a time since it began."""
    rate = DRAWINGS_A_SECOND[way]
    # A little later, so that a time at the edge of a drawing belongs to it at every frame rate.
    drawing_s = int((time_s + PICTURE_S / 8) * rate) / rate if rate else 0.0
    panned = int(60 * time_s) if way == "pan" else 0
    picture = Image.new("RGB", SIZE)
    pen = ImageDraw.Draw(picture)
    palette = _PALETTES[background % len(_PALETTES)]
    _landscape(pen, palette, background, panned)
    draws = np.random.default_rng([background, seed])
    for number in range(1 + seed % 3):
        speed = 90.0 if way == "run" else 12.0
        left = int(draws.integers(40, SIZE[0] - 40) + (-1) ** number * speed * drawing_s) % SIZE[0] - panned // 2
        # Only the mouth moves in a scene that is held.
        _figure(pen, (left, SIZE[1] - 30 - 10 * number), palette[3:], drawing_s, int(time_s * 8) if rate == 0 else None)
    return np.asarray(picture)


def _landscape(pen: ImageDraw.ImageDraw, palette: Sequence[str], seed: int, panned: int) -> None:
    width, height = SIZE
    pen.rectangle((0, 0, width, height), palette[0])
    draws = np.random.default_rng(seed)
    for layer, colour in enumerate(palette[1:3]):
        base = int(height * (0.5 + 0.22 * layer))
        for number in range(5):
            middle = number * 130 + int(draws.integers(80)) - panned
            size = int(draws.integers(40, 90))
            pen.ellipse((middle - size, base - size // 2, middle + size, base + size), colour, _OUTLINE, _PEN)
        pen.rectangle((0, base + 30, width, height), colour)


def _figure(pen: ImageDraw.ImageDraw, foot: Place, colours: Sequence[str], drawing_s: float, mouth: int | None) -> None:
    left, low = foot
    swing = round(10 * np.sin(2 * np.pi * 1.5 * drawing_s))
    for side in (-1, 1):
        pen.line((left, low - 25, left + side * (8 + swing), low), _OUTLINE, 5)
        pen.line((left, low - 50, left + side * 22, low - 42 + side * swing), _OUTLINE, 4)
    pen.ellipse((left - 14, low - 60, left + 14, low - 20), colours[0], _OUTLINE, _PEN)
    pen.ellipse((left - 13, low - 86, left + 13, low - 58), colours[1], _OUTLINE, _PEN)
    gape = 2 + (mouth % 3 if mouth is not None else abs(swing) // 4) * 2
    pen.ellipse((left - 5, low - 70, left + 5, low - 70 + gape), _OUTLINE)
