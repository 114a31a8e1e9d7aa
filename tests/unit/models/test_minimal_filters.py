"""Fewer products, the same sums."""

import numpy as np
import pytest

from models.device.onnx_graph import Graph
from models.protocol import Floats
from models.shots.minimal_filters import bands_of, minimal_filter, values_of
from models.shots.plane_convolution import PlaneConvolution

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 5, 6])
def test_a_minimal_filter_gives_the_outputs_of_three_taps(outputs: int) -> None:
    inputs, taps = RNG.normal(size=outputs + 2), RNG.normal(size=3)
    filtered = minimal_filter(outputs)
    assert len(filtered.taps) == outputs + 2  # products
    found = filtered.back @ ((filtered.taps @ taps) * (filtered.values @ inputs))
    np.testing.assert_allclose(found, np.correlate(inputs, taps, "valid"), atol=1e-12)


@pytest.mark.parametrize("length", [6, 13, 27])
def test_bands_see_zero_outside(length: int) -> None:
    inputs, taps = RNG.normal(size=length), RNG.normal(size=3)
    found: list[float] = []
    for band in bands_of(length):
        filtered = minimal_filter(len(band))
        seen = inputs[max(0, band.start - 1) : band.stop + 1]
        found.extend(filtered.back @ ((filtered.taps @ taps) * (values_of(band, length) @ seen)))
    np.testing.assert_allclose(found, np.correlate(np.pad(inputs, 1), taps, "valid").tolist(), atol=1e-12)


def convolved(values: Floats, kernels: Floats) -> Floats:
    """[height, width, in, frames] as the definition says."""
    height, width = values.shape[:2]
    padded = np.pad(values.astype(np.float64), ((1, 1), (1, 1), (0, 0), (0, 0)))
    every = [
        np.einsum("hwcn,oc->hwon", padded[down:, across:][:height, :width], kernels[:, :, down, across])
        for down in range(3)
        for across in range(3)
    ]
    found: Floats = np.sum(every, axis=0).reshape(height * width, len(kernels), -1)
    return found


@pytest.mark.parametrize(("height", "width", "channels"), [(27, 48, 3), (27, 48, 16), (13, 24, 16), (6, 12, 32)])
def test_a_plane_is_convolved_as_the_definition_says(height: int, width: int, channels: int) -> None:
    frames = 5
    values = RNG.normal(size=(height, width, channels, frames)).astype(np.float32)
    kernels = RNG.normal(size=(8, channels, 3, 3)).astype(np.float32)
    graph = Graph()
    bands = list(PlaneConvolution(graph, kernels, height, width).bands("values"))
    made = graph.apply("Concat", *bands, axis=0)
    session = graph.session({"values": (np.float32, values.shape)}, [made], threads=1)
    (found,) = session.run(None, {"values": values, **graph.handed_values})
    np.testing.assert_allclose(found, convolved(values, kernels), atol=5e-4)
