"""Files that hold more than one recording, streams that take over from each other, and gaps in the pictures alone."""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.probe import inspect_source
from decoders.sources import identity
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.events.asset import DecodeSettings
from tests.support.numbered_clips import SIZE, numbered_frames, write_numbered
from tests.support.presented import Shown, shown

TENTH = Fraction(1, 10)
H264: dict[str, Any] = {"options": {"preset": "veryfast"}}
P_ONLY: dict[str, Any] = {"options": {"preset": "veryfast", "bf": "0"}}
VP8: dict[str, Any] = {"codec": "libvpx", "options": {"cpu-used": "8", "deadline": "realtime"}}
MPEG2: dict[str, Any] = {"codec": "mpeg2video", "time_base": Fraction(1, 25)}
FRAGMENTS: dict[str, Any] = {**H264, "container_options": {"movflags": "frag_keyframe+empty_moov"}}
CMAF: dict[str, Any] = {
    **P_ONLY,
    "gop": 10,
    "container_options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"},
}
CLIPS: dict[str, dict[str, Any]] = {
    "joined.mkv": H264,
    "joined.webm": VP8,
    "live.webm": {**VP8, "container_options": {"live": "1"}},
    "joined.ogg": VP8,
    "joined.mp4": H264,
    "faststart.mp4": {**H264, "container_options": {"movflags": "faststart"}},
    "fragments.mp4": FRAGMENTS,
    "cmaf.mp4": CMAF,
    "joined.mov": H264,
    "joined.flv": H264,
    "joined.ts": H264,
    "joined.mpg": MPEG2,
    "joined.avi": {"codec": "mpeg4"},
    "joined.asf": {"codec": "mpeg4"},
    "joined.mxf": MPEG2,
    "joined.ivf": VP8,
    "joined.nut": H264,
}


def written(path: Path, numbers: range, **settings: Any) -> bytes:
    write_numbered(path, range(len(numbers)), start=numbers.start, **settings)
    content = path.read_bytes()
    path.unlink()
    return content


def numbers(found: Shown) -> list[int]:
    return [number for number, _ in found.pictures]


def check_steady(found: Shown, count: int, rate: int) -> None:
    """Every picture of `count` in its place. A tick is 1/25 s."""
    assert found.seconds == pytest.approx(count / rate, abs=0.01)
    assert numbers(found) == list(range(count))
    assert [start_s for _, start_s in found.pictures] == pytest.approx([n / rate for n in range(count)], abs=0.045)
    assert found.missing == ()


@pytest.mark.parametrize("name", CLIPS)
def test_joined_recordings_are_one_film(tmp_path: Path, name: str) -> None:
    """Three of different lengths, and where the container has it of another time base."""
    settings = CLIPS[name]
    path = tmp_path / name
    rate = int(1 / settings.get("time_base", TENTH))
    ends = [0, 4 * rate, 4 * rate + 3 * rate, 4 * rate + 3 * rate + 9 * rate]
    parts = [written(path, range(start, end), **settings) for start, end in pairwise(ends)]
    path.write_bytes(b"".join(parts))
    whole = shown(path)
    check_steady(whole, ends[-1], rate)
    assert whole.damaged == ()
    assert whole.media.frame_count == ends[-1]
    assert shown(path, span_s=10).records == whole.records
    fast = shown(path, profile="fast", span_s=10)
    assert fast.missing == ()
    assert len(fast.records) == 2


@pytest.mark.parametrize("name", ["joined.mkv", "joined.mp4", "fragments.mp4", "joined.flv", "joined.webm"])
def test_each_recording_has_facts_of_its_own(tmp_path: Path, name: str) -> None:
    """Another size, another rate: another time base and other codec parameters."""
    path = tmp_path / name
    first = written(path, range(40), **CLIPS[name])
    with av.open(str(path), "w", container_options=CLIPS[name].get("container_options", {})) as container:
        stream = container.add_stream(CLIPS[name].get("codec", "libx264"), rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = SIZE[0] * 2, SIZE[1] * 2
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in numbered_frames(range(50), Fraction(1, 25), "yuv420p", 40):
            container.mux(stream.encode(frame.reformat(width=SIZE[0] * 2, height=SIZE[1] * 2)))
        container.mux(stream.encode(None))
    path.write_bytes(first + path.read_bytes())
    found = shown(path)
    assert found.seconds == pytest.approx(6, abs=0.01)
    assert numbers(found) == list(range(90))
    assert [start_s for _, start_s in found.pictures[40:]] == pytest.approx([4 + n / 25 for n in range(50)], abs=0.045)


@pytest.mark.parametrize("name", ["joined.mkv", "live.webm", "joined.ogg", "joined.flv", "joined.ts"])
def test_a_recording_that_broke_off_hides_none_behind_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    first, second = (written(path, numbers, **CLIPS[name]) for numbers in (range(60), range(60, 100)))
    path.write_bytes(first[: len(first) * 2 // 3] + second)
    found = shown(path)
    assert set(range(60, 100)) <= set(numbers(found))
    assert set(range(25)) <= set(numbers(found))


def test_a_recording_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """An MP4 without the `moov` at its end is footage that nobody can read, behind one that is whole."""
    path = tmp_path / "half.mp4"
    first, second = (written(path, numbers, **H264) for numbers in (range(60), range(60, 100)))
    path.write_bytes(first + second[: len(second) // 2])
    for profile in ("full", "fast"):
        found = shown(path, profile=profile)
        assert found.missing == (1,)
    assert numbers(shown(path)) == list(range(60))


@pytest.mark.parametrize("name", CLIPS)
def test_what_is_no_recording_changes_nothing(tmp_path: Path, name: str) -> None:
    """Cameras fill files up."""
    path = tmp_path / name
    rate = int(1 / CLIPS[name].get("time_base", TENTH))
    path.write_bytes(written(path, range(2 * rate), **CLIPS[name]) + bytes(50_000))
    check_steady(shown(path), 2 * rate, rate)


def test_a_head_that_is_said_again_begins_no_recording(tmp_path: Path) -> None:
    """Packagers put the head before every segment; times go on. More of them than a file may have runs."""
    path = tmp_path / "cmaf.mp4"
    content = written(path, range(60), **CMAF)
    boxes = list(split_boxes(content))
    head = b"".join(box for kind, box in boxes if kind in (b"ftyp", b"moov"))
    rest = [(head if kind == b"moof" else b"") + box for kind, box in boxes if kind in (b"moof", b"mdat")]
    path.write_bytes(b"".join(rest))
    found = shown(path)
    check_steady(found, 60, 10)
    assert found.media.parts == ()
    assert len(found.media.runs) == 1


def split_boxes(content: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        found.append((content[at + 4 : at + 8], content[at : at + size]))
        at += size
    return found


def test_fragments_behind_a_movie_that_has_samples(tmp_path: Path) -> None:
    """Its index knows the first fragment only."""
    path = tmp_path / "hybrid.mp4"
    settings: dict[str, Any] = {**H264, "gop": 10, "container_options": {"movflags": "frag_keyframe"}}
    write_numbered(path, range(80), **settings)
    check_steady(shown(path), 80, 10)


@pytest.mark.parametrize("pids", [(256, 300), (256, 300, 256), (256, 300, 310), (256, 300, 256, 300)])
def test_a_film_goes_on_in_another_stream(tmp_path: Path, pids: Sequence[int]) -> None:
    path = tmp_path / "film.ts"
    parts = [
        written(
            path,
            range(number * 30, number * 30 + 30),
            shift=number * 30,
            gop=10,
            container_options={"mpegts_start_pid": str(pid), "mpegts_pmt_start_pid": "4096"},
            **P_ONLY,
        )
        for number, pid in enumerate(pids)
    ]
    path.write_bytes(b"".join(parts))
    whole = shown(path)
    check_steady(whole, 30 * len(pids), 10)
    assert shown(path, span_s=10).records == whole.records


def write_with_sound(path: Path, times: Sequence[int], sound: Sequence[range]) -> None:
    """Numbered pictures at `times`, sound in stretches; both in tenths of a second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"preset": "veryfast", "bf": "0"})
        audio = container.add_stream("aac", rate=44_100, layout="mono")
        assert isinstance(video, av.VideoStream)
        assert isinstance(audio, av.AudioStream)
        video.width, video.height = SIZE
        video.time_base = video.codec_context.time_base = TENTH
        clips = {tenth for stretch in sound for tenth in stretch}
        frames = dict(zip(times, numbered_frames(times, TENTH, "yuv420p", 0), strict=True))
        for tenth in sorted({*clips, *frames}):
            if tenth in frames:
                container.mux(video.encode(frames[tenth]))
            if tenth in clips:
                silence = av.AudioFrame(format="fltp", layout="mono", samples=4410)
                silence.planes[0].update(bytes(silence.planes[0].buffer_size))
                silence.sample_rate, silence.pts, silence.time_base = 44_100, tenth * 4410, Fraction(1, 44_100)
                container.mux(audio.encode(silence))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


@pytest.mark.parametrize("suffix", ["ts", "flv", "mkv", "mp4"])
@pytest.mark.parametrize("gaps", [(150,), (200, 310)])
def test_a_picture_stays_while_sound_runs(tmp_path: Path, suffix: str, gaps: Sequence[int]) -> None:
    path = tmp_path / f"still.{suffix}"
    times = list(range(40))
    for gap in gaps:
        times += [times[-1] + gap + number for number in range(40)]
    write_with_sound(path, times, [range(times[-1] + 30)])
    found = shown(path)
    assert found.seconds == pytest.approx(times[-1] / 10 + 0.1, abs=0.05)
    assert numbers(found) == list(range(len(times)))
    assert [start_s for _, start_s in found.pictures] == pytest.approx([time / 10 for time in times], abs=0.045)
    assert (found.missing, found.damaged) == ((), ())


@pytest.mark.parametrize("suffix", ["ts", "flv"])
def test_a_jump_of_all_streams_is_no_picture_that_stays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"jump.{suffix}"
    write_with_sound(path, [*range(40), *range(340, 380)], [range(40), range(340, 380)])
    found = shown(path)
    assert numbers(found) == list(range(80))
    assert found.seconds == pytest.approx(8, abs=0.05)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "ts"])
@pytest.mark.parametrize("poster_first", [True, False])
@pytest.mark.parametrize("pictures", [1, 3])
@pytest.mark.parametrize("default", ["none", "both", "poster"])
def test_no_poster_beats_the_film(tmp_path: Path, suffix: str, poster_first: bool, pictures: int, default: str) -> None:
    """A track of a few pictures, larger than the film and no attached picture by its flags."""
    path = tmp_path / f"film.{suffix}"
    flags = {"none": (0, 0), "both": (1, 1), "poster": (0, 1)}[default]
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=10, options={"preset": "veryfast"}) for _ in range(2)]
        film, poster = streams[::-1] if poster_first else streams
        for stream, scale, flag in zip((film, poster), (1, 4), flags, strict=True):
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = SIZE[0] * scale, SIZE[1] * scale
            stream.time_base = stream.codec_context.time_base = TENTH
            stream.disposition = av.stream.Disposition(flag)
        assert isinstance(film, av.VideoStream)
        assert isinstance(poster, av.VideoStream)
        for frame in numbered_frames(range(pictures), TENTH, "yuv420p", 3000):
            container.mux(poster.encode(frame.reformat(width=poster.width, height=poster.height)))
        for frame in numbered_frames(range(40), TENTH, "yuv420p", 0):
            container.mux(film.encode(frame))
        container.mux(poster.encode(None))
        container.mux(film.encode(None))
    check_steady(shown(path), 40, 10)


def test_identities_of_ordinary_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large files are known by what the demuxer says of each packet of the film, in the order of the file."""
    assert DecodeSettings().digest() == "ab448210f5efb8ecc01d0df1e2df7e8f"
    monkeypatch.setattr(identity, "WHOLE_FILE_BYTES", 0)
    monkeypatch.setattr(identity, "BLOCK_BYTES", 64)
    for name in ("joined.mkv", "joined.ts", "fragments.mp4", "joined.mp4"):
        path = write_numbered(tmp_path / name, range(100), **CLIPS[name])
        source = open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))
        assert inspect_source(source, MediaLimits()).content_digest == plain_digest(path, indexed=name == "joined.mp4")
        source.close()


def plain_digest(path: Path, *, indexed: bool) -> str:
    index = hashlib.blake2b(digest_size=16)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        extradata = stream.codec_context.extradata or b""
        if indexed:
            packets = [(entry.timestamp, entry.size, entry.is_keyframe) for entry in stream.index_entries]
        else:
            packets = [(packet.pts or 0, packet.size, packet.is_keyframe) for packet in container.demux(stream)][:-1]
    for packet in packets:
        index.update(b"%d,%d,%d;" % packet)
    content = path.read_bytes()
    whole = hashlib.blake2b(digest_size=16)
    facts = f"h264,{SIZE[0]},{SIZE[1]},yuv420p".encode() + extradata
    for part in (str(len(content)).encode(), facts, index.digest()):
        whole.update(len(part).to_bytes(8, "big") + part)
    for number in range(identity.BLOCKS):
        start = (len(content) - identity.BLOCK_BYTES) * number // (identity.BLOCKS - 1)
        whole.update(content[start : start + identity.BLOCK_BYTES])
    return whole.hexdigest()
