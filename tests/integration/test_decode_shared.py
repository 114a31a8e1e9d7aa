"""A clip that two processes decode is the clip that one decodes, whatever befalls the second one."""

import random
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.testbed.footage import corpus_clips, span_of
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.sampling.cells import Shown
from decoders.sampling.later import LaterRecorder
from decoders.sandbox.helper import Helper
from decoders.sandbox.pool import ChildLimits, DecodePool
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import BadMedia, Retryable, StageError
from stream.events.asset import SpanPlanned
from stream.events.frames import Frames
from stream.events.grid import SEGMENT_NS
from tests.support.numbered_clips import number_in, write_numbered

ROGUES = "tests.support.rogue_decoders"
TIMES = range(90)
X264 = {"bf": "3", "b_strategy": "0"}


def plain(path: Path) -> Path:
    return write_numbered(path, TIMES, options=X264)


def open_groups(path: Path) -> Path:
    return write_numbered(path, TIMES, options=X264 | {"x264-params": "open-gop=1:keyint=20:min-keyint=20:scenecut=0"})


def in_fields(path: Path) -> Path:
    return write_numbered(path, TIMES, options=X264 | {"flags": "+ildct+ilme", "x264-params": "interlaced=1"})


def sixty_a_second(path: Path) -> Path:
    return write_numbered(path, range(400), time_base=Fraction(1, 60), gop=90, options=X264)


def in_matroska(path: Path) -> Path:
    return write_numbered(path.with_suffix(".mkv"), TIMES, options=X264)


def hevc(path: Path) -> Path:
    return write_numbered(path, TIMES, codec="libx265", options={"x265-params": "log-level=none:keyint=25:bframes=3"})


def hevc_closed(path: Path) -> Path:
    settings = "log-level=none:keyint=25:bframes=3:open-gop=0"
    return write_numbered(path, TIMES, codec="libx265", options={"x265-params": settings})


def vp9(path: Path) -> Path:
    return write_numbered(path.with_suffix(".webm"), TIMES, codec="libvpx-vp9", options={"deadline": "realtime"})


def mpeg4(path: Path) -> Path:
    return write_numbered(path, TIMES, codec="mpeg4", options={"bf": "2"})


CLIPS = (plain, open_groups, in_fields, sixty_a_second, in_matroska, hevc, hevc_closed, vp9, mpeg4)


def content(cells: list[Frames]) -> list[tuple[object, ...]]:
    return [
        (
            each.segment,
            each.colour,
            each.width,
            each.height,
            tuple(each.samples),
            b"" if each.dense is None else each.dense.tobytes(),
            each.dense_times_ns,
            each.damaged,
        )
        for each in cells
    ]


def decoded(path: Path, span: SpanPlanned, later: Callable[[], bytes | None] = lambda: None) -> object:
    """What comes of the span in this process, or the error."""
    with closing(open_source(str(path), SourcePolicy(roots=(str(path.parent),)))) as source:
        try:
            return content(list(PyAVDecoder().decode(source, span, later)))
        except BadMedia as error:
            return error.code, error.segments, error.message


def later_of(path: Path, span: SpanPlanned) -> bytes | None:
    """As another process decodes it; it would leave an error to the first one."""
    with closing(open_source(str(path), SourcePolicy(roots=(str(path.parent),)))) as source:
        try:
            return PyAVDecoder().decode_later(source, span)
        except StageError:
            return None


def split_at(span: SpanPlanned, split_ns: int | None) -> SpanPlanned:
    return span.model_copy(update={"settings": span.settings.model_copy(update={"split_ns": split_ns})})


def spans_of(path: Path) -> tuple[SpanPlanned, SpanPlanned | None]:
    """The whole file as one span, and with a split at the key frame nearest to its middle, where it has one."""
    with closing(open_source(str(path), SourcePolicy(roots=(str(path.parent),)))) as source:
        found = PyAVDecoder().inspect(source)
    span = span_of(found, path)
    inner = [time_ns for time_ns in found.keyframes_ns if 0 < time_ns < found.media.duration_ns]
    if not inner or found.media.duration_ns > SEGMENT_NS:
        return span, None
    middle_ns = found.media.duration_ns // 2
    split_ns = min(inner, key=lambda time_ns: abs(time_ns - middle_ns))
    return span, split_at(span, split_ns)


@pytest.mark.parametrize("clip", CLIPS)
def test_both_parts_together_are_the_whole(tmp_path: Path, clip: Callable[[Path], Path]) -> None:
    path = clip(tmp_path / "clip.mp4")
    whole, shared = spans_of(path)
    assert shared is not None
    later = later_of(path, shared)
    assert later is not None
    asked: list[bytes | None] = []

    def told() -> bytes | None:
        asked.append(later)
        return later

    expected = decoded(path, whole)
    assert decoded(path, shared, told) == expected
    assert asked == [later]
    assert decoded(path, shared) == expected


def test_the_later_part_begins_with_its_own_key_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At thirty pictures a second times are rounded, and without reordering nothing hides a seek that is too early."""
    path = write_numbered(
        tmp_path / "clip.mp4", range(200), time_base=Fraction(1, 30), gop=50, options={"bf": "0", "sc_threshold": "0"}
    )
    whole, shared = spans_of(path)
    assert shared is not None
    assert shared.settings.split_ns == 3_333_333_333
    seen: list[int] = []
    push = LaterRecorder.push

    def watched(recorder: LaterRecorder, frame: Shown) -> None:
        seen.append(frame.time_ns)
        push(recorder, frame)

    monkeypatch.setattr(LaterRecorder, "push", watched)
    later = later_of(path, shared)
    assert len(seen) == 100
    assert seen[0] == shared.settings.split_ns
    assert decoded(path, shared, lambda: later) == decoded(path, shared) == decoded(path, whole)


def test_samples_of_both_parts_show_what_is_on_display(tmp_path: Path) -> None:
    """The truth is in the pictures: nothing that FFmpeg says of them is asked."""
    path = plain(tmp_path / "clip.mp4")
    _, shared = spans_of(path)
    assert shared is not None
    with closing(open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))) as source:
        (frames,) = PyAVDecoder().decode(source, shared, lambda: later_of(path, shared))
    lumas = [np.frombuffer(sample.yuv, np.uint8)[: frames.width * frames.height] for sample in frames.samples]
    shown = [number_in(luma.reshape(frames.height, frames.width)) for luma in lumas]
    assert shown == [sample.time_ns // 100_000_000 for sample in frames.samples]
    assert {
        shared.settings.split_ns is not None and sample.time_ns < shared.settings.split_ns for sample in frames.samples
    } == {
        True,
        False,
    }


def test_both_parts_together_are_the_whole_over_the_corpus(corpus_dir: Path) -> None:
    seen = 0
    for path in corpus_clips():
        try:
            whole, shared = spans_of(path)
        except BadMedia:
            continue
        if shared is not None:
            seen += 1
            expected = decoded(path, whole)
            assert decoded(path, shared, lambda path=path, span=shared: later_of(path, span)) == expected, path.name  # type: ignore[misc]
            assert decoded(path, shared) == expected, path.name
    assert seen > 5


@pytest.mark.parametrize("clip", [plain, hevc, open_groups])
def test_what_damage_shows_does_not_depend_on_who_decodes(tmp_path: Path, clip: Callable[[Path], Path]) -> None:
    path = clip(tmp_path / "clip.mp4")
    _, shared = spans_of(path)
    assert shared is not None
    sound, rng, seen = path.read_bytes(), random.Random(3), set()
    for number in range(12):
        content_now = bytearray(sound)
        for _ in range(1 + number % 4):
            content_now[rng.randrange(len(sound) // 5, len(sound) * 4 // 5)] = rng.randrange(256)
        path.write_bytes(content_now)
        try:
            _, span = spans_of(path)
        except BadMedia:
            continue
        if span is not None:
            alone = decoded(path, span)
            assert decoded(path, span, lambda span=span: later_of(path, span)) == alone  # type: ignore[misc]
            seen.add(str(alone))
    assert len(seen) > 5


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain(tmp_path_factory.mktemp("shared") / "clip.mp4")


def from_pool(
    clip: Path, decoder: str, limits: ChildLimits | None = None, children: int = 2
) -> tuple[bytes, list[int]]:
    """What the pool gives for the clip, and the sizes of what second children gave."""
    _, shared = spans_of(clip)
    assert shared is not None
    given: list[int] = []
    original = Helper.later

    def watched(helper: Helper) -> bytes:
        value = original(helper)
        given.append(len(value))
        return value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Helper, "later", watched)
        policy = SourcePolicy(roots=(str(clip.parent),))
        with DecodePool(children=children, policy=policy, decoder=decoder, limits=limits) as pool:
            pool.warm()
            values = [frames.value for frames in pool.decode(shared)]
            assert [frames.value for frames in pool.decode(shared)] == values
    (value,) = values
    return value, given


def test_a_second_child_decodes_where_one_is_idle(clip: Path) -> None:
    alone, nothing = from_pool(clip, f"{ROGUES}:Honest", children=1)
    together, given = from_pool(clip, f"{ROGUES}:Honest")
    assert together == alone
    assert nothing == []
    assert len(given) == 2
    assert min(given) > 10_000


@pytest.mark.parametrize(
    ("rogue", "limits"),
    [
        ("LaterHanging", ChildLimits(wall_s=2.0)),
        ("LaterSpinning", ChildLimits(cpu_s=1.0)),
        ("LaterGreedy", ChildLimits(memory_bytes=1 << 30)),
        *((f"Later{how}", None) for how in ("Dying", "Babbling", "Refusing", "Defective", "Boundless")),
    ],
)
def test_a_second_child_that_fails_costs_nothing_but_time(clip: Path, rogue: str, limits: ChildLimits | None) -> None:
    alone, _ = from_pool(clip, f"{ROGUES}:Honest", children=1)
    together, given = from_pool(clip, f"{ROGUES}:{rogue}", limits)
    assert together == alone
    assert given
    assert set(given) == {0}


@pytest.mark.parametrize("rogue", ["LaterLying", "LaterEmpty"])
def test_a_part_that_is_not_whole_is_decoded_again(clip: Path, rogue: str) -> None:
    """As a child would give that a hostile file took over."""
    alone, _ = from_pool(clip, f"{ROGUES}:Honest", children=1)
    together, given = from_pool(clip, f"{ROGUES}:{rogue}")
    assert together == alone
    assert min(given) > 0


def test_a_child_that_asks_again_and_again_is_ended(clip: Path) -> None:
    with pytest.raises(Retryable) as caught:
        from_pool(clip, f"{ROGUES}:Asking")
    assert caught.value.code == "decoder_died"


def test_what_is_planned_for_two_is_decoded_by_two(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decoders.plan.LEAST_SHARED_CPU_S", 0.0)
    with DecodePool(children=2, policy=SourcePolicy(roots=(str(clip.parent),))) as pool:
        span = span_of(pool.inspect(str(clip)), clip)
        assert span.settings.split_ns == 5_000_000_000
        pool.warm()
        (shared,) = pool.decode(span)
    expected = decoded(clip, split_at(span, None))
    assert content([Frames.from_bytes(shared.value)]) == expected
