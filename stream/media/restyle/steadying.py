"""Each styled picture goes on from the one before, moved along with what is shown; and how much pictures flicker."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from stream.media.frames.cuts import SIDE, is_cut
from stream.media.frames.motion import Floats, fetched, grey, motion, scaled

_ALIKE = 0.06
"""Difference of the source's pictures along the motion, of full scale, at which the past counts for a third."""


@dataclass
class Flicker:
    """Sums over pairs of neighbours: mean difference, in levels of 255, between a picture and the one before, moved
    along. Only where things are visible in both, and not across cuts.
    """

    pairs: int = 0
    source: float = 0.0
    styled: float = 0.0
    steadied: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {"pairs": self.pairs, "source": self.source, "styled": self.styled, "steadied": self.steadied}

    def add(self, other: "Flicker") -> None:
        self.pairs += other.pairs
        self.source += other.source
        self.styled += other.styled
        self.steadied += other.steadied

    def means(self) -> dict[str, Any]:
        sums = self.as_json()
        pairs = sums.pop("pairs")
        return {"pairs": pairs, **{name: round(value / max(1, pairs), 3) for name, value in sums.items()}}


class Steadying:
    """Takes pictures in order, as float32 [h, w, 3] of 0 to 1. The first one, and the first of a shot, has no past."""

    def __init__(self, steady: float) -> None:
        self._steady = np.float32(steady)
        self._before: tuple[Floats, Floats, Floats] | None = None

    def next(self, source: Floats, styled: Floats) -> tuple[Floats, Flicker]:
        """The steadied picture, and the flicker of this one pair."""
        result, flicker = styled, Flicker()
        if self._before is not None and not _new_shot(self._before[0], source):
            result, flicker = self._blended(source, styled, *self._before)
        self._before = (source, styled, result)
        return result, flicker

    def _blended(
        self, source: Floats, styled: Floats, source_before: Floats, styled_before: Floats, result_before: Floats
    ) -> tuple[Floats, Flicker]:
        height, width, _ = source.shape
        found = motion(_grey(source_before), _grey(source))
        back = scaled(found.back, width, height)
        seen: Any = cv2.resize(found.seen_back, (width, height), interpolation=cv2.INTER_LINEAR)
        moved = fetched(result_before, back)
        apart = np.abs(source - fetched(source_before, back)).mean(axis=2)
        share = (self._steady * seen * np.exp(-((apart / np.float32(_ALIKE)) ** 2)))[..., None]
        result: Floats = (styled + (moved - styled) * share).astype(np.float32)
        visible = seen > 0.5
        flicker = Flicker(
            1,
            _mean(apart, visible),
            _mean(np.abs(styled - fetched(styled_before, back)).mean(axis=2), visible),
            _mean(np.abs(result - moved).mean(axis=2), visible),
        )
        return result, flicker


def _mean(values: Floats, where: Any) -> float:
    """In levels of 255, rounded so that it is the same text everywhere."""
    return round(float(values[where].mean(dtype=np.float64)) * 255, 6) if where.any() else 0.0


def _grey(picture: Floats, side: int | None = None) -> Any:
    levels = np.rint(picture * 255).astype(np.uint8)
    return grey(levels) if side is None else grey(levels, 8, side)


def _new_shot(earlier: Floats, later: Floats) -> bool:
    return is_cut(_grey(earlier, SIDE), _grey(later, SIDE))
