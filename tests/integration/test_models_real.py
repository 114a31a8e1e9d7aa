"""Real weights on made pictures and words: do they mean what they should."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.testbed.clips import scene_frame
from models.protocol import Embedder, Floats, Image, Moderator, Predictions, ShotDetector, Tagger
from models.registry import ModelContext, load
from models.shots.assembly import cuts_from_probabilities
from models.weights.fetch import WeightsCache
from stream.errors import Fatal
from stream.events.grid import CONTEXT_TICKS

pytestmark = pytest.mark.slow
Require = Callable[..., None]
Opened = TypeVar("Opened", ShotDetector, Tagger, Embedder)


def opened(model: Opened) -> Iterator[Opened]:
    model.open()
    yield model
    model.close()


@pytest.fixture(scope="module")
def shots(require_weights: Require, model_context: ModelContext) -> Iterator[ShotDetector]:
    require_weights("transnetv2")
    detector: ShotDetector = load("shots", "transnetv2", model_context)
    yield from opened(detector)


@pytest.fixture(scope="module")
def tagger(require_weights: Require, model_context: ModelContext) -> Iterator[Tagger]:
    require_weights("efficientnet-lite0")
    made: Tagger = load("tagger", "efficientnet-lite0", model_context)
    yield from opened(made)


@pytest.fixture(scope="module")
def conse(require_weights: Require, model_context: ModelContext) -> Iterator[Embedder]:
    require_weights("minilm", "efficientnet-lite0")
    made: Embedder = load("embedder", "conse", model_context)
    yield from opened(made)


def dense(cuts: Sequence[int], *, moving: bool = True, ticks: int = 100) -> npt.NDArray[np.uint8]:
    """Scenes that begin at `cuts` (ticks of the cell), with context on both sides."""
    rows = []
    for tick in range(-CONTEXT_TICKS, ticks + CONTEXT_TICKS):
        scene = sum(tick >= cut for cut in cuts)
        rows.append(scene_frame(scene, tick if moving else 0, (48, 27)))
    return np.array(rows)


def cuts_found(shots: ShotDetector, rows: npt.NDArray[np.uint8]) -> list[int]:
    """Ticks of the cell, its context's too, at which a new shot begins."""
    return [row - CONTEXT_TICKS for row in cuts_from_probabilities(shots.cut_probabilities(rows))]


@pytest.mark.parametrize("cuts", [(37,), (10, 60), (50,), (25, 49, 75), (100,)])
def test_hard_cuts_are_found_at_their_tick(shots: ShotDetector, cuts: tuple[int, ...]) -> None:
    assert cuts_found(shots, dense(cuts)) == list(cuts)


@pytest.mark.parametrize("moving", [False, True])
def test_one_scene_has_no_cut(shots: ShotDetector, moving: bool) -> None:
    assert shots.cut_probabilities(dense((), moving=moving)).max() < 0.5


@pytest.mark.parametrize("cuts", [(0,), (-10,), (110,)])
def test_cuts_in_the_context_stay_there(shots: ShotDetector, cuts: tuple[int, ...]) -> None:
    assert cuts_found(shots, dense(cuts)) == list(cuts)


def frame_of(clip: Path, number: int) -> Image:
    with av.open(str(clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    raise AssertionError(f"{clip.name} has no frame {number}")


@pytest.mark.parametrize(
    ("clip", "frame", "label"), [("bikes.mp4", 162, "mountain bike"), ("bigbuckbunny.mp4", 62, "albatross")]
)
def test_labels_are_in_the_order_of_the_classes(
    clip: str, frame: int, label: str, tagger: Tagger, require_weights: Require, weights_cache: WeightsCache
) -> None:
    """A row of bicycles, and a large bird in flight: names that a shifted or sorted list would miss."""
    require_weights("clips")
    (row,) = tagger.predict([frame_of(weights_cache.files("clips")[clip], frame)]).probabilities
    assert label in [tagger.labels[index] for index in np.argsort(-row)[:3]]


def test_plain_pictures_are_not_judged_unsafe(require_weights: Require, model_context: ModelContext) -> None:
    require_weights("open-nsfw")
    moderator: Moderator = load("moderator", "open-nsfw", model_context)
    moderator.open()
    fields = [scene_frame(scene, 0, (320, 180)) for scene in range(2)]
    scores = moderator.nsfw([*fields, np.full((256, 256, 3), 40, np.uint8)])
    moderator.close()
    assert scores.max() < 0.3


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [
        ("dog", "puppy", "truck"),
        ("a car on the road", "an automobile driving on a street", "a bowl of soup"),
        ("rain", "wet weather", "a piano concert"),
    ],
)
def test_words_lie_where_their_meaning_is(conse: Embedder, word: str, near: str, far: str) -> None:
    rows = conse.embed_text([word, near, far])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.15


def certain(labels: Sequence[str], *wanted: str) -> Predictions:
    """A tagger's word for it: one row per label of which it is nearly certain."""
    rows: Floats = np.full((len(wanted), len(labels)), 0.1 / len(labels), np.float32)
    for row, label in zip(rows, wanted, strict=True):
        row[labels.index(label)] += 0.9
    return Predictions(rows, np.ones((len(wanted), 1280), np.float32))


def test_pictures_lie_near_words_for_what_is_in_them(conse: Embedder, tagger: Tagger) -> None:
    things = ("golden retriever", "pizza", "fire engine", "grand piano")
    words = ("a dog", "food with cheese", "a truck of the fire brigade", "someone plays music")
    nothing = [np.zeros((8, 8, 3), np.uint8)] * len(things)
    scores = conse.embed_text(words) @ conse.embed(nothing, certain(tagger.labels, *things)).T
    assert scores.argmax(1).tolist() == [0, 1, 2, 3]
    assert conse.calibration is not None
    assert np.diag(scores)[:3].min() > conse.calibration.weak_below


def test_another_taggers_predictions_are_refused(conse: Embedder) -> None:
    four = Predictions(np.full((1, 4), 0.25, np.float32), np.ones((1, 64), np.float32))
    with pytest.raises(Fatal, match="efficientnet-lite0") as refused:
        conse.embed([np.zeros((8, 8, 3), np.uint8)], four)
    assert refused.value.code == "wrong_tagger"
