"""Shots in real footage: decoded in child processes, found by TransNet V2, told in asset time."""

import itertools
import json
import logging
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from benchmarks.testbed.footage import span_of
from decoders.sandbox.pool import DecodePool
from decoders.sources.policy import SourcePolicy
from models.bundle import Bundle
from models.registry import ModelContext, load
from models.weights.fetch import WeightsCache
from stream.events.frames import Frames
from stream.events.grid import SECOND_NS

pytestmark = pytest.mark.slow
LOG = logging.getLogger(__name__)
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


def cuts_ns(bundle: Bundle, clip: Path) -> list[int]:
    """When the bundle sees a new shot begin, over all cells of the clip."""
    with DecodePool(children=1, policy=SourcePolicy().with_roots(clip.parent)) as pool:
        found = pool.inspect(str(clip))
        cells = [Frames.from_bytes(encoded.value) for encoded in pool.decode(span_of(found, clip))]
    annotated = bundle.annotate(cells, epoch_ms=1)
    for cell in annotated:
        starts = cell.rows["start_ns"].to_pylist()
        assert starts[1:] == [cut for cut in cell.header.cuts_ns if cell.header.start_ns < cut < cell.header.end_ns]
    for before, after in itertools.pairwise(cell.header for cell in annotated):
        assert (before.end_ns in before.cuts_ns) == (after.start_ns in after.cuts_ns)
    return sorted({cut for cell in annotated for cut in cell.header.cuts_ns})


def cut_frames(bundle: Bundle, clip: Path, fps: int = 25) -> list[int]:
    """The same as frame numbers of a clip of constant rate."""
    return [round(cut * fps / SECOND_NS) for cut in cuts_ns(bundle, clip)]


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
@pytest.mark.parametrize(
    "name", ["montage_h264.mp4", "montage_hevc.mp4", "montage_vp9.webm", "montage_mpeg2_interlaced.mpg"]
)
def test_the_montage_is_cut_where_it_was_made(bundle: Bundle, corpus_dir: Path, name: str) -> None:
    """All but the first are its beginning alone."""
    clip = corpus_dir / "derived" / name
    with av.open(str(clip)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    truth = json.loads((corpus_dir / "derived" / "montage_gt.json").read_text())
    transitions = [item for item in truth["transitions"] if reach(item)[1] < frames]
    cuts = cut_frames(bundle, clip, truth["fps"])
    score = f1(cuts, transitions)
    LOG.info("%s: F1 %.3f over %d transitions", name, score, len(transitions))
    assert score >= 0.95, f"F1 {score:.3f}: cuts at {cuts}"


Shown = Sequence[tuple[Fraction, int]]
"""Of every frame: when it goes on display, in seconds, and which source frame (at 25 fps) it shows."""


def at_rate(rate: Fraction, frames: int) -> Shown:
    """A display of that rate over the source: frames are repeated or left out."""
    return [(number / rate, int(number / rate * 25)) for number in range(int(frames * rate / 25))]


def at_variable_rate(rate: Fraction, frames: int) -> Shown:
    """Some frames are missing, and the others come late by up to 16 ms, so that none fits the tick grid."""
    return [
        (number / Fraction(25) + (number * 7 % 5) / rate, number)
        for number in range(frames)
        if number % 11 not in (3, 4, 8) and number % 17
    ]


VERSIONS = {
    "60 fps.mp4": (at_rate, Fraction(60), "libx265"),
    "23.976 fps.mpg": (at_rate, Fraction(24_000, 1001), "mpeg2video"),
    "variable rate.webm": (at_variable_rate, Fraction(250), "libvpx-vp9"),
}
QUICK = {
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "mpeg2video": {"qscale": "3"},
}


def encode_version(version: str, source: Path, target: Path, shown: Shown) -> None:
    """The source's frames at other times, small, in another codec."""
    _, rate, codec = VERSIONS[version]
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        stream = output.add_stream(codec, rate=rate, options=QUICK[codec])
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 192, 108, "yuv420p"
        stream.time_base = stream.codec_context.time_base = 1 / rate
        stream.codec_context.thread_count = 1
        pending = list(reversed(shown))
        for number, frame in enumerate(container.decode(video=0)):
            small = frame.reformat(192, 108, "yuv420p")
            small.time_base, small.pict_type = 1 / rate, 0
            while pending and pending[-1][1] == number:
                small.pts = round(pending.pop()[0] * rate)
                output.mux(stream.encode(small))
        output.mux(stream.encode(None))


def moved(transitions: Sequence[dict[str, Any]], shown: Shown) -> list[dict[str, Any]]:
    """Where transitions of the source lie in frames of the version: a cut is the first frame of its new shot."""
    sources = [source for _, source in shown]
    ends = ("frame", "start_frame", "end_frame")
    return [{end: bisect_left(sources, item[end]) for end in ends if end in item} for item in transitions]


def version_f1(
    bundle: Bundle, version: str, source: Path, transitions: Sequence[dict[str, Any]], folder: Path
) -> float:
    """Of a version of the source at 25 fps, in the version's own frames."""
    make, rate, _ = VERSIONS[version]
    with av.open(str(source)) as container:
        shown = make(rate, container.streams.video[0].frames)
    encode_version(version, source, folder / version, shown)
    times_ns = [round((time - shown[0][0]) * SECOND_NS) for time, _ in shown]
    cuts = [min(range(len(shown)), key=lambda at: abs(times_ns[at] - cut)) for cut in cuts_ns(bundle, folder / version)]
    return f1(cuts, moved(transitions, shown))


@pytest.mark.parametrize("version", VERSIONS)
def test_codecs_and_rates_other_than_the_grids_change_no_cut(
    bundle: Bundle, version: str, require_weights: Callable[..., None], weights_cache: WeightsCache, tmp_path: Path
) -> None:
    require_weights("clips")
    truth = [{"frame": cut} for cut in BIKES_CUTS]
    assert version_f1(bundle, version, weights_cache.files("clips")["bikes.mp4"], truth, tmp_path) == 1


@pytest.mark.long
@pytest.mark.corpus
@pytest.mark.parametrize("version", VERSIONS)
def test_the_montage_at_other_rates(bundle: Bundle, version: str, corpus_dir: Path, tmp_path: Path) -> None:
    derived = corpus_dir / "derived"
    truth = json.loads((derived / "montage_gt.json").read_text())["transitions"]
    score = version_f1(bundle, version, derived / "montage_h264.mp4", truth, tmp_path)
    LOG.info("%s: F1 %.3f over %d transitions", version, score, len(truth))
    assert score >= 0.9


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
