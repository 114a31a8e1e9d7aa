"""Tiles of a picture, with what lies around them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

MOST = 288
"""Length of a tile without its margins. It bounds the memory: 250 MB, whatever the picture."""
MARGIN = 24
"""More than the 21 pixels around it on which a pixel of SPAN's result depends: it has 21 convolutions of 3x3."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Along one side: the network sees `seen`, and `kept` of it is the result's; both are half-open."""

    seen: tuple[int, int]
    kept: tuple[int, int]


def stretches(length: int) -> list[Stretch]:
    """They cover a side, nearly alike in length. A margin ends where the picture does."""
    count = -(-length // MOST)
    edges = [length * number // count for number in range(count + 1)]
    return [
        Stretch((max(0, start - MARGIN), min(length, stop + MARGIN)), (start, stop)) for start, stop in pairwise(edges)
    ]


def tiles(height: int, width: int) -> Iterator[tuple[Stretch, Stretch]]:
    """(down, across) of each tile, row by row."""
    for down in stretches(height):
        for across in stretches(width):
            yield down, across
