"""A CUDA device beside the CPU, on the sample clips: the same cuts and tags, vectors of the same direction."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.testbed.footage import span_of
from decoders.sandbox.pool import DecodePool
from decoders.sources.policy import SourcePolicy
from models.bundle import Bundle
from models.pictures.colour import images_of
from models.pictures.colour_device import DeviceColour
from models.registry import ModelContext, load
from models.weights.fetch import WeightsCache
from stream.events.frames import Frames
from tests.support.checkpoints import clip_checkpoint

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
NAMES = {"shots": "transnetv2", "tagger": "efficientnet-lite0", "moderator": "open-nsfw", "embedder": "conse"}
TAG_GATE = 0.15


@pytest.fixture(scope="module")
def cells(require_weights: Callable[..., None], weights_cache: WeightsCache) -> list[Frames]:
    require_weights("clips")
    made = []
    for name in ("bikes.mp4", "bigbuckbunny.mp4"):
        clip = weights_cache.files("clips")[name]
        with DecodePool(children=1, policy=SourcePolicy().with_roots(clip.parent)) as pool:
            span = span_of(pool.inspect(str(clip)), clip)
            made += [Frames.from_bytes(encoded.value) for encoded in pool.decode(span)]
    return made


@pytest.fixture(scope="module")
def bundles(require_weights: Callable[..., None], weights_cache: WeightsCache) -> dict[str, Bundle]:
    require_weights("transnetv2", "efficientnet-lite0", "open-nsfw", "minilm")
    made = {}
    for device in ("cpu", "cuda"):
        context = ModelContext(weights_cache, device=device)
        made[device] = Bundle(*(load(family, name, context) for family, name in NAMES.items()), device=device)
        made[device].open()
    return made


def test_colours_are_within_a_level(cells: list[Frames]) -> None:
    convert = DeviceColour("cuda")
    for cell in cells:
        assert np.abs(np.array(convert(cell), int) - np.array(images_of(cell), int)).max() <= 1


def test_cuts_are_equal_and_rows_agree(bundles: dict[str, Bundle], cells: list[Frames]) -> None:
    ours, theirs = (bundles[device].annotate(cells, epoch_ms=1) for device in ("cuda", "cpu"))
    for left, right in zip(ours, theirs, strict=True):
        assert left.header.cuts_ns == right.header.cuts_ns
        assert left.rows["start_ns"] == right.rows["start_ns"]
        for one, other in zip(left.rows.to_pylist(), right.rows.to_pylist(), strict=True):
            for space in ("vector", "image_vector"):
                assert np.dot(one[space], other[space]) >= 0.999
            assert abs(one["moderation_nsfw"] - other["moderation_nsfw"]) <= 0.01
            scores = [{tag["label"]: tag["score"] for tag in row["tags"]} for row in (one, other)]
            for label in scores[0].keys() ^ scores[1].keys():
                score = scores[0].get(label) or scores[1][label]
                assert abs(score - TAG_GATE) <= 0.02


def test_a_row_does_not_depend_on_the_batch(bundles: dict[str, Bundle], cells: list[Frames]) -> None:
    """Fixed shapes: the same kernels whoever the neighbours are."""
    together = bundles["cuda"].annotate(cells, epoch_ms=1)
    alone = [bundles["cuda"].annotate([cell], epoch_ms=1)[0] for cell in cells]
    for left, right in zip(together, alone, strict=True):
        assert left.header.cuts_ns == right.header.cuts_ns
        for column in ("vector", "image_vector"):
            np.testing.assert_allclose(left.rows[column].to_pylist(), right.rows[column].to_pylist(), atol=1e-6)


def test_a_two_tower_checkpoint_agrees(cells: list[Frames], weights_cache: WeightsCache, tmp_path: Path) -> None:
    directory = clip_checkpoint(tmp_path / "clip")
    images = images_of(cells[0])
    rows = []
    for device in ("cpu", "cuda"):
        embedder = load("embedder", f"hf:{directory}", ModelContext(weights_cache, device=device))
        embedder.open()
        none = load("tagger", "hashing", ModelContext(weights_cache)).predict(images)
        rows.append(embedder.embed(images, none))
    assert (rows[0] * rows[1]).sum(1).min() >= 0.999
