"""A smooth walk through the noise from which a network makes pictures (pure)."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Noise = npt.NDArray[np.float32]


def walk(seed: int, shape: tuple[int, ...], start: int, count: int, leg: int) -> Iterator[Noise]:
    """The noise of pictures `start` to `start + count`. Every `leg` pictures it passes one point, by seed and number
    alone, so any run of pictures is the same whoever makes it, and a longer clip begins as a shorter one.
    """
    for picture in range(start, start + count):
        point, step = divmod(picture, leg)
        share = step / leg
        # Slow at the points, so that the turns are not seen.
        yield _between(_drawn(seed, point, shape), _drawn(seed, point + 1, shape), share * share * (3 - 2 * share))


def _drawn(seed: int, point: int, shape: tuple[int, ...]) -> Noise:
    return np.random.default_rng((seed, point)).standard_normal(shape, np.float32)


def _between(first: Noise, second: Noise, share: float) -> Noise:
    """On the great circle: the mean of two points of Gaussian noise would be shorter than a network has ever seen
    (Shoemake 1985).
    """
    if not share:
        return first
    lengths = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    cosine = float(np.vdot(first, second)) / (lengths[0] * lengths[1])
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    weights = np.sin((1 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)
    return (first * np.float32(weights[0]) + second * np.float32(weights[1])).astype(np.float32)
