"""Files that are hurt, joined or lie: what can be shown is shown, what cannot is named, nothing hangs."""

import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.ffmpeg.probe import inspect_source
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import BadMedia, StageError
from stream.events.grid import SECOND_NS
from tests.support.numbered_clips import number_in, write_numbered


def outcome(path: Path) -> tuple[float, list[tuple[int, bool]], tuple[int, ...]]:
    """(duration in s, (segment, damaged) of what came, missing segments)."""
    source = open_source(str(path), SourcePolicy(roots=(str(path.parent),)))
    decoder = PyAVDecoder()
    came: list[tuple[int, bool]] = []
    missing: tuple[int, ...] = ()
    try:
        found = decoder.inspect(source)
        for frames in decoder.decode(source, span_of(found, path)):
            came.append((frames.segment, frames.damaged))  # noqa: PERF401 - what came before the error counts
    except BadMedia as error:
        if error.code != "missing_frames":
            raise
        missing = error.segments
    finally:
        source.close()
    return found.media.duration_ns / SECOND_NS, came, missing


def blank(path: Path, first: int, end: int) -> None:
    """From one twelfth of the file to another there are zeros."""
    content = bytearray(path.read_bytes())
    size = len(content)
    content[size * first // 12 : size * end // 12] = bytes(size * end // 12 - size * first // 12)
    path.write_bytes(content)


def test_a_hole_in_the_middle_is_named(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", seconds=60, scenes=9, container_options={"movflags": "faststart"}).path
    blank(path, 4, 9)
    duration_s, came, missing = outcome(path)
    assert duration_s == 60
    assert missing
    assert sorted([*missing, *(segment for segment, _ in came)]) == [0, 1, 2, 3, 4, 5]
    assert (0, False) in came
    assert (5, False) in came


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "libx264"), ("avi", "mpeg4"), ("mkv", "libx264")])
def test_a_hole_moves_nothing_behind_it(tmp_path: Path, suffix: str, codec: str) -> None:
    """Pictures behind the hole keep their times, alone or in one span, and what the hole swallowed is named."""
    path = write_numbered(tmp_path / f"clip.{suffix}", range(600), codec=codec, options={"bf": "2"})
    blank(path, 4, 6)
    duration_s, came, missing = outcome(path)
    assert duration_s == 60
    assert missing == (2,)
    assert [segment for segment, _ in came] == [0, 1, 3, 4, 5]
    source = open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))
    decoder = PyAVDecoder()
    span = span_of(decoder.inspect(source), path)
    for cells in (range(4, 6), range(5, 6)):
        part = span.model_copy(update={"first_segment": cells.start, "end_segment": cells.stop})
        for frames in decoder.decode(source, part):
            lumas = [np.frombuffer(sample.yuv, np.uint8)[: frames.width * frames.height] for sample in frames.samples]
            shown = [number_in(luma.reshape(frames.height, frames.width)) for luma in lumas]
            assert shown == [sample.time_ns * 10 // SECOND_NS for sample in frames.samples]
    source.close()


def test_noise_in_time_stamps_does_not_stretch_the_asset(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.ts", seconds=60, scenes=9, size=(320, 180)).path
    content = bytearray(path.read_bytes())
    rng = random.Random(1)
    for _ in range(60):
        content[rng.randrange(len(content) // 3, len(content) * 2 // 3)] = rng.randrange(256)
    path.write_bytes(content)
    duration_s, came, missing = outcome(path)
    assert duration_s == pytest.approx(60, abs=2)
    assert [segment for segment, _ in came] == list(range(6))
    assert any(damaged for _, damaged in came)
    assert not missing


def test_a_restart_of_time_stamps_begins_a_new_run(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "first.ts", seconds=34, scenes=5).path
    second = write_clip(tmp_path / "second.ts", seconds=23, scenes=3).path
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    source = open_source(str(joined), SourcePolicy(roots=(str(tmp_path),)))
    runs = inspect_source(source, MediaLimits()).media.runs
    source.close()
    assert [(run.start_ns, run.end_ns) for run in runs] == [(0, 34 * SECOND_NS), (34 * SECOND_NS, 57 * SECOND_NS)]
    assert outcome(joined) == (57, [(segment, False) for segment in range(6)], ())


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (MediaLimits(max_pixels=160 * 89), "too_many_pixels"),
        (MediaLimits(max_duration_s=4), "too_long"),
        (MediaLimits(max_streams=1), "too_many_streams"),
    ],
)
def test_limits(tmp_path: Path, limits: MediaLimits, code: str) -> None:
    path = write_clip(tmp_path / "clip.mp4", seconds=5, audio=True).path
    source = open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))
    with pytest.raises(BadMedia) as caught:
        inspect_source(source, limits)
    assert caught.value.code == code
    source.close()


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv", "avi", "mpg", "webm"])
def test_mutated_files_end_in_frames_or_a_stage_error(tmp_path: Path, suffix: str) -> None:
    codec = {"avi": "mpeg4", "mpg": "mpeg2video", "webm": "libvpx-vp9"}.get(suffix, "libx264")
    whole = write_clip(tmp_path / f"whole.{suffix}", seconds=12, codec=codec, size=(64, 36), gop=20).path.read_bytes()
    rng = random.Random(suffix)
    readable = 0
    for number in range(20):
        content = bytearray(whole)
        for _ in range(rng.choice([1, 8, 64])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if number % 4 == 3:
            del content[rng.randrange(len(content)) :]
        path = tmp_path / f"mutated{number}.{suffix}"
        path.write_bytes(bytes(content) or b"x")
        try:
            _, came, missing = outcome(path)
        except StageError as error:
            assert error.message
        else:
            readable += 1
            assert len(came) + len(missing) >= 1
    assert readable
