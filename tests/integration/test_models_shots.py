"""Shots in real footage: decoded in child processes, found by TransNet V2, told in asset time."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from decoders.sandbox import DecodePool
from decoders.source import SourcePolicy
from models.bundle import Bundle
from models.registry import ModelContext, load
from models.weights import WeightsCache
from stream.events.frames import Frames
from stream.events.grid import SECOND_NS
from tests.footage import span_of

pytestmark = pytest.mark.slow
BIKES_CUTS = (30, 76, 137, 187, 242)
TOLERANCE_FRAMES = 2


@pytest.fixture(scope="module")
def bundle(require_weights: Callable[..., None], model_context: ModelContext) -> Iterator[Bundle]:
    """Shots are what counts here, so the rest is light."""
    require_weights("transnetv2")
    names = {"shots": "transnetv2", "tagger": "hashing", "moderator": "hashing", "embedder": "hashing"}
    made = Bundle(*(load(family, name, model_context) for family, name in names.items()))
    made.open()
    yield made
    made.close()


def cut_frames(bundle: Bundle, clip: Path, fps: int = 25) -> list[int]:
    """Frame numbers at which the bundle sees a new shot begin, over all cells of the clip."""
    with DecodePool(children=1, policy=SourcePolicy().with_roots(clip.parent)) as pool:
        found = pool.inspect(str(clip))
        cells = [Frames.from_bytes(encoded.value) for encoded in pool.decode(span_of(found, clip))]
    annotated = bundle.annotate(cells, epoch_ms=1)
    for cell in annotated:
        starts = cell.rows["start_ns"].to_pylist()
        assert starts[1:] == [cut for cut in cell.header.cuts_ns if cut < cell.header.end_ns]
    return sorted(round(cut * fps / SECOND_NS) for cell in annotated for cut in cell.header.cuts_ns)


def test_all_five_cuts_of_the_sample_clip_and_no_other(
    bundle: Bundle, require_weights: Callable[..., None], weights_cache: WeightsCache
) -> None:
    require_weights("clips")
    assert cut_frames(bundle, weights_cache.files("clips")["bikes.mp4"]) == list(BIKES_CUTS)


@pytest.mark.corpus
def test_all_five_cuts_of_the_corpus_clip_and_no_other(bundle: Bundle, corpus_dir: Path) -> None:
    (clip,) = corpus_dir.rglob("bikes_cuts_h264.mp4")
    assert cut_frames(bundle, clip) == list(BIKES_CUTS)


@pytest.mark.corpus
def test_the_montage_is_cut_where_it_was_made(bundle: Bundle, corpus_dir: Path) -> None:
    truth = json.loads((corpus_dir / "derived" / "montage_gt.json").read_text())
    cuts = cut_frames(bundle, corpus_dir / "derived" / "montage_h264.mp4", truth["fps"])
    score = f1(cuts, truth["transitions"])
    assert score >= 0.95, f"F1 {score:.3f}: cuts at {cuts}"


def f1(cuts: list[int], transitions: list[dict[str, Any]]) -> float:
    """Each transition is found once at most, sharp ones first; a further hit inside a gradual one is no error."""
    left = sorted(cuts)
    found = 0
    for first, last in sorted((reach(item) for item in transitions), key=lambda ends: ends[1] - ends[0]):
        hit = next((cut for cut in left if first <= cut <= last), None)
        if hit is not None:
            left.remove(hit)
            found += 1
    gradual = [reach(item) for item in transitions if "frame" not in item]
    wrong = [cut for cut in left if not any(first <= cut <= last for first, last in gradual)]
    return 2 * found / (2 * found + len(wrong) + len(transitions) - found)


def reach(transition: dict[str, Any]) -> tuple[int, int]:
    """Frames at which a hit finds it; the cut after a gradual one's last frame still belongs to it."""
    if "frame" in transition:
        return transition["frame"] - TOLERANCE_FRAMES, transition["frame"] + TOLERANCE_FRAMES
    return transition["start_frame"], transition["end_frame"] + 1


def test_the_score_counts_what_it_should() -> None:
    truth: list[dict[str, Any]] = [{"frame": 10}, {"frame": 50}, {"start_frame": 80, "end_frame": 90}]
    assert f1([12, 48, 81, 89], truth) == 1
    assert f1([13, 50, 85], truth) == pytest.approx(2 / 3)
    assert f1([10, 11, 50, 85], truth) == pytest.approx(6 / 7)
    assert f1([], truth) == 0
