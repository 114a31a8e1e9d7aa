"""Spans are invisible: whatever the span limit, the same records, and the frames of a plain decode."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.footage import corpus_clips, plain_times_ns, span_of
from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.ffmpeg.reader import FrameReader
from decoders.plan import plan_spans
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.events.asset import Profile
from stream.events.frames import MAX_FRAMES_BYTES, Frames
from stream.events.grid import CONTEXT_NS, SECOND_NS, TICK_NS, dense_ticks, segment_count, segment_range

OPEN_GOP_264 = {"x264-params": "open-gop=1:keyint=40:min-keyint=40:bframes=3:b-adapt=0:scenecut=0"}
OPEN_GOP_265 = {
    "x265-params": "open-gop=1:keyint=40:min-keyint=40:bframes=3:scenecut=0:log-level=none:pools=1:frame-threads=1"
}
MADE: dict[str, dict[str, Any]] = {
    "closed.mp4": {},
    "open264.mp4": {"options": OPEN_GOP_264},
    "open264.ts": {"options": OPEN_GOP_264},
    "open265.mp4": {"codec": "libx265", "options": OPEN_GOP_265},
    "open265.ts": {"codec": "libx265", "options": OPEN_GOP_265},
    "open.mkv": {"options": OPEN_GOP_264},
    "one_key.mp4": {"gop": 100_000},
    "all_keys.ts": {"gop": 1},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "fragmented.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "program.mpg": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "late_start.ts": {"pts": [500 + number for number in range(600)]},
    "variable.mp4": {"pts": [number * 2 + (number % 3 == 0) for number in range(400)]},
    "film.mp4": {"fps": 24},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def _whole(path: Path, limit_s: int, profile: Profile) -> list[bytes]:
    decoder = PyAVDecoder()
    source = open_source(str(path), SourcePolicy(roots=(str(path.parent),)))
    found = decoder.inspect(source)
    cells = range(segment_count(found.media.duration_ns))
    spans = plan_spans(found.media, (), cells, max_span_ns=limit_s * SECOND_NS, max_cost_cpu_s=1e9)
    records = [
        frames for span in spans for frames in decoder.decode(source, span_of(found, path, span, profile=profile))
    ]
    source.close()
    assert [frames.segment for frames in records] == list(cells)
    return [frames.to_bytes() for frames in records]


def _check_spans_are_invisible(path: Path, profile: Profile) -> None:
    whole = _whole(path, 100_000, profile)
    assert _whole(path, 10, profile) == whole
    assert _whole(path, 40, profile) == whole
    assert max(map(len, whole)) < MAX_FRAMES_BYTES


def _check_frames_are_plain(path: Path) -> None:
    """Every span limit reads every frame of the plain decode that is on display in it, and none else."""
    source = open_source(str(path), SourcePolicy(roots=(str(path.parent),)))
    found = PyAVDecoder().inspect(source)
    media = found.media
    plain = plain_times_ns(path, media)
    assert plain[0] == 0
    reader = FrameReader(source, media, 64, MediaLimits())
    errors: list[int] = []
    for segment in range(segment_count(media.duration_ns)):
        start_ns, end_ns = segment_range(segment, media.duration_ns)
        from_ns = max(0, start_ns - CONTEXT_NS)
        read: list[int] = []
        for frame in reader.frames(from_ns, errors.append):
            if frame.time_ns >= end_ns:
                break
            if not read or frame.time_ns > read[-1]:
                read.append(frame.time_ns)
        assert read[0] <= from_ns
        assert read == [time_ns for time_ns in plain if read[0] <= time_ns < end_ns]
    assert plain[-1] < media.duration_ns < plain[-1] + 2 * SECOND_NS
    reader.close()
    source.close()


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("profile", ["full", "fast"])
def test_made_clip(made: Path, name: str, profile: Profile) -> None:
    path = made / name
    if not path.exists():
        settings: dict[str, Any] = {
            "seconds": 24.5,
            "scenes": 7,
            "size": (96, 64),
            "audio": path.suffix in {".mp4", ".ts"},
        }
        write_clip(path, **{**settings, **MADE[name]})
    _check_spans_are_invisible(path, profile)
    if profile == "full":
        _check_frames_are_plain(path)


@pytest.mark.corpus
@pytest.mark.parametrize("path", corpus_clips(), ids=lambda path: path.name)
@pytest.mark.parametrize("profile", ["full", "fast"])
def test_corpus_clip(path: Path, profile: Profile) -> None:
    _check_spans_are_invisible(path, profile)
    if profile == "full":
        _check_frames_are_plain(path)


def test_dense_rows_are_the_frames_on_display(made: Path) -> None:
    path = made / "dense.mp4"
    write_clip(path, seconds=21, fps=30, scenes=5, size=(96, 64))
    decoder = PyAVDecoder()
    source = open_source(str(path), SourcePolicy(roots=(str(made),)))
    found = decoder.inspect(source)
    plain = np.array(plain_times_ns(path, found.media))
    for value in _whole(path, 10, "full"):
        frames = Frames.from_bytes(value)
        assert frames.dense_times_ns is not None
        for tick, time_ns in zip(dense_ticks(frames.segment), frames.dense_times_ns, strict=True):
            assert time_ns == plain[plain <= max(0, tick * TICK_NS)][-1]
    source.close()
