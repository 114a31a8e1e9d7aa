"""TransNet V2 with its real weights on real footage: the cuts that are there, and no other."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from decoders.pyav import PyAVDecoder
from decoders.source import SourcePolicy, open_source
from models.bundle import Bundle
from models.registry import ModelContext, load
from models.weights import WeightsCache
from stream.events.annotations import Annotations
from stream.events.grid import SECOND_NS, TICK_NS, segment_count
from tests.footage import span_of

TOLERANCE_FRAMES = 2


@pytest.fixture(scope="module")
def bundle(model_context: ModelContext, require_weights: Callable[..., None]) -> Iterator[Bundle]:
    """Real shots; everything else light."""
    require_weights("transnetv2")
    light = (load(family, "hashing", model_context) for family in ("tagger", "moderator", "embedder"))
    made = Bundle(load("shots", "transnetv2", model_context), *light)
    made.open()
    yield made
    made.close()


def annotated(bundle: Bundle, path: Path) -> list[Annotations]:
    decoder = PyAVDecoder()
    source = open_source(str(path), SourcePolicy(roots=(str(path.parent),)))
    found = decoder.inspect(source)
    cells = list(decoder.decode(source, span_of(found, path, range(segment_count(found.media.duration_ns)))))
    source.close()
    return bundle.annotate(cells, epoch_ms=0)


def cut_frames(cells: list[Annotations], fps: int = 25) -> list[int]:
    """First frames of new shots."""
    return [round(cut * fps / SECOND_NS) for cell in cells for cut in cell.header.cuts_ns]


def score(found: list[int], transitions: list[dict[str, Any]]) -> float:
    """F1. A hit in a gradual transition's range finds it, and a second one there is no error."""
    ranges = [
        (item.get("start_frame", item.get("frame", 0)) - TOLERANCE_FRAMES,
         item.get("end_frame", item.get("frame", 0)) + TOLERANCE_FRAMES)
        for item in transitions
    ]  # fmt: skip
    recalled = sum(any(first <= frame <= last for frame in found) for first, last in ranges)
    false = sum(not any(first <= frame <= last for first, last in ranges) for frame in found)
    return 2 * recalled / (recalled + false + len(ranges))


def test_every_cut_of_the_bicycle_clip_and_no_other(
    bundle: Bundle, weights_cache: WeightsCache, require_weights: Callable[..., None]
) -> None:
    require_weights("clips")
    (cell,) = annotated(bundle, weights_cache.files("clips")["bikes.mp4"])
    # Frame-accurate: the clip has 25 frames a second, so its frames are the grid's ticks.
    assert cell.header.cuts_ns == tuple(frame * TICK_NS for frame in (30, 76, 137, 187, 242))
    assert cell.header.shot_method == "transnetv2"
    rows = cell.rows.to_pylist()
    assert [row["start_ns"] for row in rows] == [0, *cell.header.cuts_ns]
    assert rows[-1]["end_ns"] == cell.header.end_ns
    assert [row["starts_at_cut"] for row in rows] == [False, *[True] * 5]


@pytest.mark.corpus
@pytest.mark.slow
def test_the_montage_is_cut_where_it_was_put_together(bundle: Bundle, corpus_dir: Path) -> None:
    truth = json.loads((corpus_dir / "derived" / "montage_gt.json").read_text())
    found = cut_frames(annotated(bundle, corpus_dir / "derived" / "montage_h264.mp4"))
    assert score(found, truth["transitions"]) >= 0.95
    # The measure itself: a missing cut and one too many cost.
    assert score(found[1:], truth["transitions"]) < score(found, truth["transitions"])
    assert score([*found, 40], truth["transitions"]) < score(found, truth["transitions"])


def test_a_clip_of_one_shot_has_no_cut(
    bundle: Bundle, weights_cache: WeightsCache, require_weights: Callable[..., None]
) -> None:
    require_weights("clips")
    (cell,) = annotated(bundle, weights_cache.files("clips")["bigbuckbunny.mp4"])
    assert cell.header.cuts_ns == ()
    assert cell.rows.num_rows == 1
