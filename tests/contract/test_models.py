"""Every entry of every model registry keeps its family's promises (`models/protocol.py`)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from models import REGISTRY
from models.protocol import Floats, Image, Predictions
from models.registry import ModelContext, load
from models.shots.assembly import cuts_from_probabilities
from stream.events.grid import CONTEXT_TICKS
from tests.support.checkpoints import blip_checkpoint, chat_checkpoint, clip_checkpoint, siglip_checkpoint

WEIGHTS = {
    "transnetv2": ("transnetv2",),
    "efficientnet-lite0": ("efficientnet-lite0",),
    "open-nsfw": ("open-nsfw",),
    "conse": ("minilm", "efficientnet-lite0"),
}
CHECKPOINTS = {"clip": clip_checkpoint, "siglip": siglip_checkpoint, "blip": blip_checkpoint, "chat": chat_checkpoint}
KINDS = {"embedder": ("clip", "siglip"), "captioner": ("blip", "chat")}
# MiniLM takes sentences of as many tokens together. No padding is involved, but a matrix product of other height may
# add in another order: seen equal to the bit, owed to rounding.
WORDS_TOLERANCE = {"conse": 1e-6}
TEXTS = ["a cat", "the dog on the red street", "a"]
NAMES = [
    (family, f"{name}:{kind}" if kind else name)
    for family, entries in REGISTRY.items()
    for name in entries
    for kind in (KINDS[family] if name == "hf" else ("",))
]


def marks(name: str) -> list[pytest.MarkDecorator]:
    """Networks of transformers take seconds to load, even small ones."""
    return [pytest.mark.weights] * (name in WEIGHTS) + [pytest.mark.slow] * (":" in name)


ENTRIES = [pytest.param(family, name, marks=marks(name)) for family, name in NAMES]
OF = {
    family: [pytest.param(name, marks=marks(name)) for listed, name in NAMES if listed == family] for family in REGISTRY
}


@dataclass(frozen=True, slots=True)
class Case:
    """A model that is open. It owes the same bits whoever its neighbours are: on a CPU all is computed one by one but
    words, for which see `WORDS_TOLERANCE`.
    """

    model: Any
    tagger: Any


Make = Callable[[str, str], Any]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: write(root / name) for name, write in CHECKPOINTS.items()}


@pytest.fixture(scope="module")
def make(checkpoints: dict[str, Path], model_context: ModelContext) -> Make:
    """An unopened model; `hf:clip` stands for a made checkpoint."""

    def made(family: str, name: str) -> Any:
        head, _, kind = name.partition(":")
        return load(family, f"{head}:{checkpoints[kind]}" if kind else name, model_context)

    return made


@pytest.fixture(scope="module")
def opened(make: Make, request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], Case]]:
    """An open model; each is loaded once. Who names `require_weights` is marked, and not every case here needs any."""
    require_weights = request.getfixturevalue("require_weights")
    cases: dict[tuple[str, str], Case] = {}

    def start(family: str, name: str) -> Case:
        require_weights(*WEIGHTS.get(name, ()))
        if (family, name) not in cases:
            # ConSE is made of the probabilities of one tagger, so it gets that one.
            tagger = make("tagger", "efficientnet-lite0" if name == "conse" else "hashing")
            model = make(family, name)
            cases[family, name] = Case(model, tagger)
            tagger.open()
            model.open()
        return cases[family, name]

    yield start
    for case in cases.values():
        case.model.close()
        case.tagger.close()


def pictures(count: int = 5) -> list[Image]:
    """Smooth coloured fields with a patch each, of one odd size."""
    rng = np.random.default_rng(7)
    rows, columns = np.mgrid[0:90, 0:142] / 142.0
    made = []
    for _ in range(count):
        colours = rng.uniform(0, 255, (3, 3))
        pixels = colours[0] + rows[..., None] * (colours[1] - colours[0]) + columns[..., None] * 60
        pixels[20:60, 40:90] = colours[2]
        made.append(np.clip(pixels, 0, 255).astype(np.uint8))
    return made


def dense(ticks: int = 150) -> npt.NDArray[np.uint8]:
    """A scene change every 40 ticks."""
    rng = np.random.default_rng(11)
    scenes = [rng.integers(0, 256, 3) for _ in range(12)]
    rows = [np.broadcast_to(scenes[tick // 40], (27, 48, 3)) for tick in range(ticks + 2 * CONTEXT_TICKS)]
    noise = rng.integers(-8, 9, (len(rows), 27, 48, 3))
    pixels: npt.NDArray[np.uint8] = np.clip(np.array(rows) + noise, 0, 255).astype(np.uint8)
    return pixels


def per_picture(case: Case, family: str, images: Sequence[Image]) -> list[Floats]:
    """Everything a model of a picture family says, one row per picture."""
    if family == "tagger":
        predictions: Predictions = case.model.predict(images)
        return [predictions.probabilities, predictions.features]
    if family == "moderator":
        return [case.model.nsfw(images)]
    predictions = case.tagger.predict(images)
    return [case.model.embed(images, predictions), case.model.embed_images(images, predictions)]


PICTURE_FAMILIES = ["tagger", "moderator", "embedder"]
PICTURE_ENTRIES = [
    pytest.param(family, name, marks=marks(name))
    for wanted in PICTURE_FAMILIES
    for family, name in NAMES
    if family == wanted
]


@pytest.mark.parametrize(("family", "name"), ENTRIES)
def test_identity_is_known_before_open(family: str, name: str, make: Make) -> None:
    first, second = make(family, name), make(family, name)
    stamp = first.stamp()
    assert stamp == second.stamp()
    assert all((stamp.role, stamp.name, stamp.version, stamp.digest))
    if family == "embedder":
        assert first.space == second.space
        assert first.space.digest == stamp.digest or name == "hashing"
        assert first.space.spec.partition(":")[0] == name.partition(":")[0]
    if family == "tagger":
        assert len(set(first.labels)) > 1


@pytest.mark.parametrize(("family", "name"), ENTRIES)
def test_close_may_come_twice_and_reopening_changes_nothing(
    family: str, name: str, opened: Callable[[str, str], Case]
) -> None:
    case = opened(family, name)

    def said() -> list[Any]:
        if family == "shots":
            return [case.model.cut_probabilities(dense(50))]
        if family == "captioner":
            return [case.model.caption(pictures(2))]
        return [*per_picture(case, family, pictures(2))]

    before = said()
    stamp = case.model.stamp()
    case.model.close()
    case.model.close()
    assert case.model.stamp() == stamp
    case.model.open()
    for left, right in zip(before, said(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(("family", "name"), PICTURE_ENTRIES)
def test_pictures_do_not_depend_on_their_neighbours(family: str, name: str, opened: Callable[[str, str], Case]) -> None:
    """Alone, together, permuted, in batches of other sizes and beside copies of itself: the same bits."""
    case = opened(family, name)
    images = pictures(5)
    order = [2, 0, 4, 1, 3]
    together = per_picture(case, family, images)
    permuted = per_picture(case, family, [images[at] for at in order])
    for size in (1, 2, 3):
        parts = [per_picture(case, family, images[first : first + size]) for first in range(0, len(images), size)]
        for index, rows in enumerate(together):
            np.testing.assert_array_equal(rows, np.concatenate([said[index] for said in parts]))
    repeated = per_picture(case, family, [images[1]] * 4)
    for index, rows in enumerate(together):
        assert len(rows) == len(images)
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows[order], permuted[index])
        np.testing.assert_array_equal(rows[[1] * 4], repeated[index])
        # Not by saying the same of every picture.
        assert np.ptp(rows, axis=0).max() > 1e-4 or family == "moderator"


@pytest.mark.parametrize(("family", "name"), PICTURE_ENTRIES)
def test_no_picture_gives_no_row(family: str, name: str, opened: Callable[[str, str], Case]) -> None:
    case = opened(family, name)
    widths = [rows.shape[1:] for rows in per_picture(case, family, pictures(1))]
    assert [rows.shape for rows in per_picture(case, family, [])] == [(0, *width) for width in widths]


@pytest.mark.parametrize("name", OF["tagger"])
def test_tag_probabilities_sum_to_one(name: str, opened: Callable[[str, str], Case]) -> None:
    model = opened("tagger", name).model
    predictions = model.predict(pictures())
    assert predictions.probabilities.shape == (5, len(model.labels))
    assert predictions.probabilities.min() >= 0
    np.testing.assert_allclose(predictions.probabilities.sum(1), 1.0, atol=1e-5)
    assert predictions.features.ndim == 2


@pytest.mark.parametrize("name", OF["moderator"])
def test_moderation_is_a_probability(name: str, opened: Callable[[str, str], Case]) -> None:
    scores = opened("moderator", name).model.nsfw(pictures())
    assert scores.shape == (5,)
    assert (scores >= 0).all()
    assert (scores <= 1).all()


@pytest.mark.parametrize("name", OF["embedder"])
def test_vectors_are_of_the_space_and_normalised(name: str, opened: Callable[[str, str], Case]) -> None:
    case = opened("embedder", name)
    space = case.model.space
    predictions = case.tagger.predict(pictures())
    rows = {
        "picture": (case.model.embed(pictures(), predictions), space.dimensions),
        "picture query": (
            case.model.embed_images(pictures(), predictions),
            space.image_dimensions or space.dimensions,
        ),
        "words": (case.model.embed_text([*TEXTS, "", "word " * 500]), space.dimensions),
    }
    for vectors, dimensions in rows.values():
        assert vectors.shape == (5, dimensions)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    rated = case.model.calibration
    assert rated is None or -1 < rated.weak_below <= rated.strong_from < 1


@pytest.mark.parametrize("name", OF["embedder"])
def test_words_do_not_depend_on_their_neighbours(name: str, opened: Callable[[str, str], Case]) -> None:
    case = opened("embedder", name)
    texts = [*TEXTS, "the photo of a house on the street"]
    together = case.model.embed_text(texts)
    tolerance = WORDS_TOLERANCE.get(name, 0.0)
    for size in (1, 2, 3):
        parts = [case.model.embed_text(texts[first : first + size]) for first in range(0, len(texts), size)]
        np.testing.assert_allclose(together, np.concatenate(parts), rtol=0, atol=tolerance)
    for other in (texts[::-1], [*texts, *texts], [*texts, "word " * 500]):
        said = case.model.embed_text(other)
        for text, row in zip(texts, together, strict=True):
            np.testing.assert_allclose(said[other.index(text)], row, rtol=0, atol=tolerance)
    assert np.abs(together[0] - together[1]).max() > 1e-3 or name == "hashing"
    assert case.model.embed_text([]).shape == (0, case.model.space.dimensions)


@pytest.mark.parametrize("name", OF["shots"])
def test_cuts_do_not_depend_on_the_cell(name: str, opened: Callable[[str, str], Case]) -> None:
    case = opened("shots", name)
    ticks = dense()
    rows = case.model.cut_probabilities(ticks)
    assert rows.shape == (200,)
    whole = rows[25:-25]
    assert whole.dtype == np.float32
    assert whole.min() >= 0
    assert whole.max() <= 1
    assert whole.max() - whole.min() > 0.3
    np.testing.assert_array_equal(rows, case.model.cut_probabilities(ticks))
    # The cell in two, and in three.
    for step in (100, 50):
        parts = [
            case.model.cut_probabilities(ticks[first : first + step + 50])[25:-25]
            for first in range(0, 150 - step + 1, step)
        ]
        said = np.concatenate(parts)
        assert cuts_from_probabilities(said) == cuts_from_probabilities(whole[: len(said)])


@pytest.mark.parametrize("name", OF["captioner"])
def test_captions_do_not_depend_on_their_neighbours(name: str, opened: Callable[[str, str], Case]) -> None:
    model = opened("captioner", name).model
    images = [*pictures(2), np.zeros((64, 64, 3), np.uint8)]
    captions = model.caption(images)
    assert captions == [model.caption([image])[0] for image in images]
    assert captions == [*model.caption(images[:2]), *model.caption(images[2:])]
    assert captions[::-1] == model.caption(images[::-1])
    assert model.caption([images[0]] * 3) == captions[:1] * 3
    assert all(captions)
    assert len(set(captions)) > 1
    assert model.method
    assert model.caption([]) == []
