"""3x3 convolutions over pictures as matrix products, in bands whose values stay in the cache of a processor."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from models.device.onnx_graph import Graph
from models.shots.minimal_filters import (
    MOST,
    TAPS,
    all_values,
    bands_of,
    group_back,
    minimal_filter,
    plane_taps,
    values_of,
)

TOGETHER = 2
"""Tiles across in a group. Each output of a group is a sum over all its points, most of which count 0 for it."""
FEW_CHANNELS = 8
_POINTS = MOST + TAPS - 1


class PlaneConvolution:
    """Of float32 [height, width, in, frames] by [out, in, 3, 3], zero outside. A width is a multiple of 12."""

    def __init__(self, graph: Graph, kernels: npt.NDArray[Any], height: int, width: int) -> None:
        self._graph = graph
        self._kernels = np.asarray(kernels, np.float32)
        self._out, self._in = kernels.shape[:2]
        self._height, self._width = height, width
        self._groups = width // (MOST * TOGETHER)

    def bands(self, value: str) -> Iterator[str]:
        """Float32 [places, out, frames] of each band, from the top."""
        few = self._in <= FEW_CHANNELS
        return self._from_neighbours(value) if few else self._from_products(value)

    def _from_neighbours(self, value: str) -> Iterator[str]:
        """All nine neighbours of each place side by side: few channels would not pay for the way to the points."""
        apply, numbers = self._graph.apply, self._graph.numbers
        kernels = self._graph.floats(self._kernels.transpose(0, 2, 3, 1).reshape(self._out, -1))
        padded = apply("Pad", value, numbers(1, 1, 0, 0, 1, 1, 0, 0))
        for band in bands_of(self._height):
            near = [
                apply(
                    "Slice",
                    padded,
                    numbers(band.start + down, across),
                    numbers(band.stop + down, self._width + across),
                    numbers(0, 1),
                )
                for down in range(TAPS)
                for across in range(TAPS)
            ]
            joined = apply("Concat", *near, axis=2)
            flat = apply("Reshape", joined, numbers(len(band) * self._width, TAPS * TAPS * self._in, -1))
            yield apply("MatMul", kernels, flat)

    def _from_products(self, value: str) -> Iterator[str]:
        across = self._graph.floats(all_values(self._width, TOGETHER))
        back_across = self._graph.floats(group_back(TOGETHER))
        taps: dict[int, str] = {}
        for band in bands_of(self._height):
            rows = len(band)
            if rows not in taps:
                # The same for all tiles: down, group, across, tile, out, in.
                taps[rows] = self._graph.handed(plane_taps(self._kernels, rows)[:, None, :, None])
            yield self._band(value, band, taps[rows], (across, back_across))

    def _band(self, value: str, band: range, taps: str, across: tuple[str, str]) -> str:
        apply, numbers = self._graph.apply, self._graph.numbers
        rows = len(band)
        points = rows + TAPS - 1
        seen = range(max(0, band.start - 1), min(self._height, band.stop + 1))
        inputs = apply("Slice", value, numbers(seen.start), numbers(seen.stop), numbers(0))
        inputs = apply("Reshape", inputs, numbers(len(seen), -1))
        values = apply("MatMul", self._graph.floats(values_of(band, self._height)), inputs)
        values = apply("MatMul", across[0], apply("Reshape", values, numbers(points, self._width, -1)))
        values = apply("Reshape", values, numbers(points, self._groups, _POINTS, TOGETHER, self._in, -1))
        products = apply("MatMul", taps, values)
        products = apply("Reshape", products, numbers(points, self._groups, _POINTS * TOGETHER, -1))
        outputs = apply("MatMul", across[1], products)
        back = self._graph.floats(minimal_filter(rows).back)
        outputs = apply("MatMul", back, apply("Reshape", outputs, numbers(points, -1)))
        return apply("Reshape", outputs, numbers(rows * self._width, self._out, -1))
