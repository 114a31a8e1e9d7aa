"""The fast networks say what the published ones say: other layouts, other runtimes, the same numbers."""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch

from benchmarks.published import published_minilm, published_transnet, stored
from models.embedders.text import MiniLm
from models.moderation.nsfw import OpenNsfw, input_of
from models.moderation.nsfw import batches_of as nsfw_batches_of
from models.moderation.open_nsfw import network_of as nsfw_network
from models.pictures.geometry import resized_crop
from models.protocol import Floats, Image
from models.registry import ModelContext
from models.shots.assembly import cuts_from_probabilities
from models.shots.graph import networks_of
from models.shots.looks import FIRST_LOOK, SECOND_LOOK
from models.shots.network import TransNetV2
from models.shots.transnet_v2 import TransNetShots, device_judge, judge_of
from models.tags.efficientnet import SIDE, network_of
from models.tags.imagenet import EfficientNetTagger, batches_of
from models.weights.checkpoint import read_checkpoint
from models.weights.fetch import WeightsCache
from stream.errors import Fatal
from tests.support.programs import ROOT, program

pytestmark = pytest.mark.slow
Require = Callable[..., None]
TAG_GATE = 0.15
TEXTS = [
    "a dog",
    "",
    "a video of a mountain bike, all-terrain bike, off-roader",
    "two men on a street at night",
    "x" * 900,
]


def frames_of(cache: WeightsCache, name: str, size: tuple[int, int], every: int = 1) -> list[Image]:
    with av.open(str(cache.files("clips")[name])) as container:
        return [
            np.asarray(frame.reformat(*size, "rgb24").to_ndarray(), np.uint8)
            for number, frame in enumerate(container.decode(video=0))
            if number % every == every // 2
        ]


@pytest.fixture(scope="module")
def ticks(require_weights: Require, model_context: ModelContext) -> npt.NDArray[np.uint8]:
    require_weights("transnetv2", "clips")
    return np.stack(frames_of(model_context.cache, "bikes.mp4", (48, 27))[:150])


def test_shots_are_those_of_the_published_network(ticks: npt.NDArray[np.uint8], model_context: ModelContext) -> None:
    """Of windows of any length, and the cuts of windows as its authors lay them."""
    judge = judge_of(networks_of(read_checkpoint(model_context.cache.file("transnetv2")))(1))
    tensors = stored(model_context.cache, "transnetv2")
    published = {}
    for first, last in ((0, 100), (50, 150), (5, 72)):
        with torch.inference_mode():
            logits = published_transnet(tensors, torch.from_numpy(ticks[None, first:last]))
        published[first] = torch.sigmoid(logits[0]).numpy()
        np.testing.assert_allclose(judge(ticks[first:last]), published[first], rtol=0, atol=1e-4)
    shots = TransNetShots(model_context)
    shots.open()
    ours = shots.cut_probabilities(ticks)[25:-25]
    theirs = np.concatenate([published[0][25:75], published[50][25:75]])
    assert cuts_from_probabilities(ours) == cuts_from_probabilities(theirs) == [30 - 25, 76 - 25]


def test_the_network_says_the_same_from_as_many_rows_as_a_second_look_sees(
    ticks: npt.NDArray[np.uint8], model_context: ModelContext
) -> None:
    judge = judge_of(networks_of(read_checkpoint(model_context.cache.file("transnetv2")))(1))
    whole, row = judge(ticks), 75
    first, second = (judge(ticks[row - n : row + 1 + n])[n] for n in (FIRST_LOOK, SECOND_LOOK))
    assert second == pytest.approx(whole[row], abs=0.01)
    assert abs(first - whole[row]) > 0.01


def test_a_lone_window_has_the_same_sums_on_any_number_of_threads(
    ticks: npt.NDArray[np.uint8], model_context: ModelContext
) -> None:
    tensors = read_checkpoint(model_context.cache.file("transnetv2"))
    judges = [judge_of(network) for network in map(networks_of(tensors), (1, 2, 3))]
    for window in (ticks[:67], ticks[5:118], ticks):
        one, *more = [judge(window).tobytes() for judge in judges]
        assert more == [one, one]


def test_pictures_keep_their_order_and_say_the_same_on_any_number_of_threads(
    require_weights: Require, model_context: ModelContext
) -> None:
    require_weights("efficientnet-lite0", "open-nsfw", "clips")
    images = frames_of(model_context.cache, "bikes.mp4", (456, 256), every=40)
    said = []
    for threads in (1, 2, 3):
        context = replace(model_context, threads=threads)
        tagger, moderator = EfficientNetTagger(context), OpenNsfw(context)
        with closing(tagger), closing(moderator):
            tagger.open()
            moderator.open()
            found, scores = tagger.predict(images), moderator.nsfw(images)
        said.append((found.probabilities.tobytes(), found.features.tobytes(), scores.tobytes()))
    assert len(set(scores.tolist())) == len(images) > 3  # pictures differ, so their order shows
    assert said == [said[0]] * 3


def test_shots_on_an_accelerator_are_those_of_the_cpu(
    ticks: npt.NDArray[np.uint8], model_context: ModelContext
) -> None:
    """The network in torch, as an accelerator runs it, here on the CPU."""
    tensors = read_checkpoint(model_context.cache.file("transnetv2"))
    network = TransNetV2().eval()
    network.load_checkpoint(tensors)
    on_device, on_cpu = device_judge(network, "cpu"), judge_of(networks_of(tensors)(1))
    for window in (ticks[:67], ticks[20:120]):
        np.testing.assert_allclose(on_device(window), on_cpu(window), rtol=0, atol=1e-5)


def test_still_footage_is_not_looked_at(ticks: npt.NDArray[np.uint8], model_context: ModelContext) -> None:
    shots = TransNetShots(model_context)
    shots.open()
    still = np.repeat(ticks[:1], 150, axis=0)
    assert not shots.cut_probabilities(still).any()
    # The network would never say exactly 0.
    assert (shots.cut_probabilities(ticks) > 0).sum() < len(ticks)


def test_a_clear_cut_is_decided_where_the_network_sees_it(
    ticks: npt.NDArray[np.uint8], model_context: ModelContext
) -> None:
    """Between two pictures of real footage. The network would never say exactly 1."""
    shots = TransNetShots(model_context)
    shots.open()
    cut = np.repeat(ticks[[10, 140]], [70, 80], axis=0)
    decided = shots.cut_probabilities(cut)
    assert np.flatnonzero(decided).tolist() == [69]
    assert decided[69] == 1
    judge = judge_of(networks_of(read_checkpoint(model_context.cache.file("transnetv2")))(1))
    seen = judge(cut[20:120])
    assert np.flatnonzero(seen > 0.5).tolist() == [69 - 20]


def eager(network: Any, images: Sequence[Image]) -> tuple[Floats, Floats]:
    """Probabilities and pooled features as timm and torch give them."""
    crops = np.stack([resized_crop(image, resize=256, crop=SIDE) for image in images]).astype(np.float32)
    with torch.inference_mode():
        maps = network.forward_features(torch.from_numpy((crops - 127.0) / 128.0).permute(0, 3, 1, 2))
        pooled = network.forward_head(maps, pre_logits=True)
        return torch.softmax(network.get_classifier()(pooled), -1).numpy(), pooled.numpy()


@pytest.fixture(scope="module")
def scenes(require_weights: Require, model_context: ModelContext) -> list[Image]:
    require_weights("efficientnet-lite0", "clips")
    clips = ("bikes.mp4", "bigbuckbunny.mp4")
    return [image for clip in clips for image in frames_of(model_context.cache, clip, (456, 256), every=50)]


def test_tags_are_those_of_timm(scenes: list[Image], model_context: ModelContext) -> None:
    tagger = EfficientNetTagger(model_context)
    tagger.open()
    ours = tagger.predict(scenes)
    probabilities, features = eager(network_of(read_checkpoint(model_context.cache.file("efficientnet-lite0"))), scenes)
    np.testing.assert_allclose(ours.probabilities, probabilities, rtol=0, atol=1e-4)
    np.testing.assert_allclose(ours.features, features, rtol=0, atol=1e-4)


@pytest.mark.long
def test_half_precision_changes_no_tag(scenes: list[Image], model_context: ModelContext) -> None:
    """What an accelerator runs, on the CPU: padded batches, convolutions in float16."""
    network = network_of(read_checkpoint(model_context.cache.file("efficientnet-lite0")))
    scenes = scenes[::4]  # a CPU is slow at it
    probabilities, features = eager(network, scenes)
    with closing(batches_of(network, "cpu", 3, 2)) as batches:
        half, pooled = batches.run(scenes)
        alone, _ = batches.run(scenes[1:2])
        none = batches.run([])
    assert_tags_equal(half, probabilities)
    assert cosines(pooled, features).min() >= 0.999
    np.testing.assert_array_equal(alone, half[1:2])
    assert [rows.shape for rows in none] == [(0, 1000), (0, 1280)]


def test_moderation_on_an_accelerator_scores_the_same(
    scenes: list[Image], require_weights: Require, model_context: ModelContext
) -> None:
    """The network in torch, float32 and float16, beside the ONNX file."""
    require_weights("open-nsfw")
    moderator = OpenNsfw(model_context)
    moderator.open()
    scenes = scenes[::4]
    expected = moderator.nsfw(scenes)
    network = nsfw_network(model_context.cache.file("open-nsfw"))
    inputs = np.concatenate([input_of(image) for image in scenes])
    with torch.inference_mode():
        whole = network(torch.from_numpy(inputs).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(whole, expected, rtol=1e-4, atol=1e-6)
    with closing(nsfw_batches_of(network, "cpu", 3, 2)) as batches:
        (half,) = batches.run(scenes)
        (alone,) = batches.run(scenes[1:2])
    np.testing.assert_allclose(half, expected, rtol=0, atol=0.01)
    np.testing.assert_array_equal(alone, half[1:2])


def test_another_file_in_place_of_the_moderation_network_is_named(tmp_path: Path) -> None:
    for path, content in ((tmp_path / "words.onnx", b"no network"), (tmp_path / "empty.onnx", b"")):
        path.write_bytes(content)
        with pytest.raises(Fatal, match=f"{path.name} is not the open NSFW network"):
            nsfw_network(path)


def assert_tags_equal(left: Floats, right: Floats) -> None:
    """The same labels pass the gate, but for probabilities within 0.02 of it."""
    differ = (left >= TAG_GATE) != (right >= TAG_GATE)
    assert np.abs(right[differ] - TAG_GATE).max(initial=0.0) <= 0.02


def cosines(left: Floats, right: Floats) -> Floats:
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.asarray((left * right).sum(1) / norms, np.float32)


def test_words_are_those_of_transformers(require_weights: Require, model_context: ModelContext) -> None:
    require_weights("minilm")
    network = published_minilm(model_context.cache)
    words = MiniLm(model_context)
    words.open()
    ours = words.embed(TEXTS)
    for text, row in zip(TEXTS, ours, strict=True):
        tokens = torch.tensor(words.tokens([text]))
        with torch.inference_mode():
            pooled = network(input_ids=tokens).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(row, (pooled / pooled.norm()).numpy(), rtol=0, atol=1e-5)


def test_a_search_by_words_waits_for_no_heavy_library(require_weights: Require, model_context: ModelContext) -> None:
    require_weights("minilm")
    command = program("search_by_words", model_context.cache.directory)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
