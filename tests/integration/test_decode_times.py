"""Times and pictures against what the test wrote into the pixels, for seeks to everywhere and for whole records."""

from collections.abc import Sequence
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.ffmpeg.reader import FrameReader
from decoders.plan import plan_spans
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.events.frames import Frames
from stream.events.grid import SECOND_NS, TICK_NS, dense_ticks, segment_count
from tests.support.edit_lists import with_edits
from tests.support.numbered_clips import number_in, number_of, write_numbered

PTS_WRAP = 2**33
TENTH = Fraction(1, 10)
X264 = "keyint=25:min-keyint=25:bframes=3:b-adapt=0:scenecut=0"
X265 = X264 + ":log-level=none:pools=1:frame-threads=1"
OPEN_264: dict[str, Any] = {"options": {"preset": "veryfast", "x264-params": X264 + ":open-gop=1"}}
CLOSED_264: dict[str, Any] = {"options": {"preset": "veryfast", "x264-params": X264}}
OPEN_265 = {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": X265 + ":open-gop=1"}}
TEN_BIT = {**OPEN_265, "pix_fmt": "yuv420p10le"}
REFRESH = {"options": {"preset": "veryfast", "x264-params": X264 + ":intra-refresh=1"}}
ONE_KEY: dict[str, Any] = {"options": {"preset": "veryfast", "x264-params": "keyint=infinite:scenecut=0:bframes=3"}}
MPEG2 = {"codec": "mpeg2video", "time_base": Fraction(1, 25), "times": range(270), "options": {"bf": "2"}}
MPEG4 = {"codec": "mpeg4", "options": {"bf": "2"}}
VP9 = {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "good", "lag-in-frames": "16"}}
FRAMES = range(150)
UNEVEN = [0, *(int(total) for total in np.cumsum([(1, 7, 2, 2, 30, 3)[number % 6] for number in range(149)]))]
SHIFT_TO_WRAP = PTS_WRAP * 10 // 90_000

CLIPS: dict[str, dict[str, Any]] = {
    "open264.mp4": OPEN_264,
    "open264.ts": OPEN_264,
    "open264.mkv": OPEN_264,
    "open264.avi": OPEN_264,
    "open264.flv": OPEN_264,
    "fragments.mp4": {**OPEN_264, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "open265.mp4": OPEN_265,
    "open265.ts": OPEN_265,
    "ten_bit.mp4": TEN_BIT,
    "refresh.ts": REFRESH,
    "closed.asf": CLOSED_264,
    "open_mpeg2.ts": MPEG2,
    "open_mpeg2.mpg": MPEG2,
    "open_mpeg2.mxf": MPEG2,
    "open_mpeg4.avi": MPEG4,
    "open_mpeg4.mkv": MPEG4,
    "vp9.webm": VP9,
    "all_keys.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "all_keys.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "uneven.mp4": {**OPEN_264, "times": UNEVEN, "time_base": Fraction(1, 90)},
    "uneven.mkv": {**OPEN_264, "times": UNEVEN, "time_base": Fraction(1, 90)},
    "uneven.ts": {**OPEN_264, "times": UNEVEN, "time_base": Fraction(1, 90)},
    "late.mp4": {**CLOSED_264, "shift": 37},
    "late.ts": {**CLOSED_264, "shift": 3700},
    "edited.mp4": {**CLOSED_264, "shift": -37, "first": 37},
    "edited_open.mp4": {**OPEN_264, "shift": -26, "first": 26},
    "wraps_at_once.ts": {**CLOSED_264, "shift": SHIFT_TO_WRAP - 20},
    "wraps_later.ts": {**OPEN_264, "shift": SHIFT_TO_WRAP - 90},
}
Truth = list[tuple[int, int]]
"""(asset time in ns, number of the picture that goes on display then), ascending."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("times")


def truth_of(times: Sequence[int], time_base: Fraction, first: int = 0) -> Truth:
    return [(round((time - times[first]) * time_base * SECOND_NS), number) for number, time in enumerate(times)][first:]


def write(path: Path, *, times: Sequence[int] = FRAMES, first: int = 0, **settings: Any) -> Truth:
    time_base = settings.setdefault("time_base", TENTH)
    write_numbered(path, times, **settings)
    return truth_of(times, time_base, first)


def plain_pictures(path: Path) -> dict[int, bytes]:
    """Digest of each picture of a plain decode from the beginning, by the number it shows."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return {number_of(frame): digest_of(frame) for frame in container.decode(video=0)}


def digest_of(frame: av.VideoFrame) -> bytes:
    return blake2b(frame.to_ndarray().tobytes(), digest_size=8).digest()


def check_seeks(path: Path, truth: Truth, tolerance_ns: int, step: int = 7) -> None:
    """Reading may begin anywhere: at a picture, just before it, inside a GOP, among leading pictures."""
    plain = plain_pictures(path)
    assert list(plain) == [number for _, number in truth]
    source = open_source(str(path), SourcePolicy(roots=(str(path.parent),)))
    reader = FrameReader(source, PyAVDecoder().inspect(source).media, 64, MediaLimits())
    errors: list[int] = []
    for index in [*range(0, len(truth), step), len(truth) - 1]:
        from_ns = max(0, truth[index][0] - index % 2)
        read: list[tuple[int, int]] = []
        for frame in reader.frames(from_ns, errors.append):
            if read and frame.time_ns <= read[-1][0]:
                continue
            read.append((frame.time_ns, number_of(frame.frame)))
            assert digest_of(frame.frame) == plain[read[-1][1]], "a picture that a plain decode does not show"
            if frame.time_ns > from_ns + 3 * SECOND_NS:
                break
        assert read[0][0] <= from_ns + tolerance_ns
        begin = [number for _, number in truth].index(read[0][1])
        expected = truth[begin : begin + len(read)]
        assert [number for _, number in read] == [number for _, number in expected]
        assert max(abs(got[0] - want[0]) for got, want in zip(read, expected, strict=True)) <= tolerance_ns
    reader.close()
    source.close()


def records(path: Path, limit_s: int) -> list[Frames]:
    source = open_source(str(path), SourcePolicy(roots=(str(path.parent),)))
    decoder = PyAVDecoder()
    found = decoder.inspect(source)
    cells = range(segment_count(found.media.duration_ns))
    spans = plan_spans(found.media, (), cells, max_span_ns=limit_s * SECOND_NS, max_cost_cpu_s=1e9)
    made = [frames for span in spans for frames in decoder.decode(source, span_of(found, path, span))]
    source.close()
    assert [frames.segment for frames in made] == list(cells)
    return made


def check_records(path: Path, truth: Truth, tolerance_ns: int) -> None:
    """Every sample and every tick shows the picture that is on display then, whatever the spans."""
    whole = records(path, 100_000)
    assert [frames.to_bytes() for frames in records(path, 10)] == [frames.to_bytes() for frames in whole]
    starts = np.array([time_ns for time_ns, _ in truth])
    began = {number: time_ns for time_ns, number in truth}

    def on_display(time_ns: int) -> set[int]:
        """One number, or two within the tolerance of a change."""
        places = [int(np.searchsorted(starts, time_ns + off, "right")) - 1 for off in (-tolerance_ns, 0, tolerance_ns)]
        return {truth[max(0, place)][1] for place in places}

    for frames in whole:
        for sample in frames.samples:
            luma = np.frombuffer(sample.yuv, np.uint8)[: frames.width * frames.height]
            assert number_in(luma.reshape(frames.height, frames.width)) in on_display(sample.time_ns)
        assert frames.dense is not None
        assert frames.dense_times_ns is not None
        ticks = dense_ticks(frames.segment)
        for tick, picture, time_ns in zip(ticks, frames.dense, frames.dense_times_ns, strict=True):
            shown = number_in(picture[..., 1])
            assert shown in on_display(max(0, tick * TICK_NS))
            assert abs(time_ns - began[shown]) <= tolerance_ns


def tolerance_of(path: Path) -> int:
    """Matroska, FLV and ASF count milliseconds, MPEG-TS 90,000ths of a second."""
    return {".mkv": 1_000_000, ".webm": 1_000_000, ".flv": 1_000_000, ".asf": 1_000_000, ".ts": 12_000}.get(
        path.suffix, 1_000
    )


@pytest.mark.parametrize("name", CLIPS)
def test_pictures_and_times_are_what_was_written(made: Path, name: str) -> None:
    path = made / name
    truth = write(path, **CLIPS[name])
    check_seeks(path, truth, tolerance_of(path))
    check_records(path, truth, tolerance_of(path))


def test_one_key_frame_in_ten_minutes(made: Path) -> None:
    path = made / "one_key.mp4"
    truth = write(path, times=range(1210), time_base=Fraction(1, 2), **ONE_KEY)
    check_records(path, truth, 1_000)


@pytest.mark.parametrize("restart", [0, 70_000, -400])
def test_a_camera_restart_lays_the_runs_end_to_end(made: Path, restart: int) -> None:
    """The second part's time stamps begin anywhere, also at the first part's own."""
    first, second, joined = (made / f"{name}{restart}.ts" for name in ("first", "second", "joined"))
    truth = write(first, times=range(75), shift=500, **OPEN_264)
    write_numbered(second, range(75), time_base=TENTH, shift=500 + restart, start=75, **OPEN_264)
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    truth += [(time_ns + 75 * SECOND_NS // 10, number + 75) for time_ns, number in truth]
    check_records(joined, truth, tolerance_of(joined))


def test_several_edits_play_in_their_order(made: Path) -> None:
    """Without B-frames. With them FFmpeg places the second edit's pictures up to the reordering off (its index keeps
    decode times), and so does every player built on it.
    """
    whole, path = made / "whole.mp4", made / "edits.mp4"
    write_numbered(whole, FRAMES, time_base=TENTH, shift=10, options={"preset": "veryfast", "bf": "0", "g": "25"})
    path.write_bytes(with_edits(whole.read_bytes(), [(3.0, 9.0), (5.0, 2.0)]))
    truth = [(number * SECOND_NS // 10, 90 + number) for number in range(30)]
    truth += [(3 * SECOND_NS + number * SECOND_NS // 10, 20 + number) for number in range(50)]
    check_records(path, truth, 1_000)


@pytest.mark.parametrize("suffix", ["ts", "mkv", "flv"])
def test_the_last_frame_lasts_as_long_as_the_others(made: Path, suffix: str) -> None:
    path = made / f"last.{suffix}"
    truth = write(path, times=range(33), **CLOSED_264)
    source = open_source(str(path), SourcePolicy(roots=(str(made),)))
    duration_ns = PyAVDecoder().inspect(source).media.duration_ns
    source.close()
    assert duration_ns == pytest.approx(truth[-1][0] + SECOND_NS // 10, abs=2_000_000)
