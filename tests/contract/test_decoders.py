"""What every decoder of the registry promises (`decoders.protocol.Decoder`)."""

import importlib
import os
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.testbed.clips import Clip, write_clip
from benchmarks.testbed.footage import span_of
from decoders import REGISTRY
from decoders.protocol import Decoder, Source
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import BadMedia, Superseded
from stream.events.frames import MAX_FRAMES_BYTES, Frames
from stream.events.grid import DENSE_TICKS, SEGMENT_NS, sample_times, segment_count


@pytest.fixture(params=sorted(REGISTRY))
def decoder(request: pytest.FixtureRequest) -> Decoder:
    module, _, name = REGISTRY[request.param].partition(":")
    made: Decoder = getattr(importlib.import_module(module), name)()
    return made


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    path = tmp_path_factory.mktemp("contract") / "clip.mp4"
    return write_clip(path, seconds=23.2, size=(320, 180), scenes=[5.0, 0.6, 9.0, 8.6], audio=True)


@pytest.fixture
def source(clip: Clip) -> Source:
    return opened(clip.path)


def opened(path: Path) -> Source:
    return open_source(str(path), SourcePolicy(roots=(str(path.parent),)))


def test_inspection_tells_the_facts(decoder: Decoder, source: Source, clip: Clip) -> None:
    found = decoder.inspect(source)
    media = found.media
    assert (media.width, media.height, media.audio_streams) == (320, 180, 1)
    assert media.duration_ns == 23_200_000_000
    assert media.frame_count == clip.frames
    assert found.keyframes_ns == tuple(range(0, 23_200_000_000, 2_000_000_000))
    assert found.source == source.version
    assert decoder.inspect(source).content_digest == found.content_digest


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "flv"])
@pytest.mark.parametrize("late_s", [0, 3])
def test_file_time_is_what_players_count(decoder: Decoder, tmp_path: Path, suffix: str, late_s: int) -> None:
    """Sound begins at 0 and the picture `late_s` later; containers round to a millisecond, and sound is primed."""
    path = tmp_path / f"late.{suffix}"
    write_clip(path, pts=range(25 * late_s, 25 * late_s + 50), options={"bf": "2"}, audio=True)
    media = decoder.inspect(opened(path)).media
    assert media.runs[0].start_ns == 0
    assert abs(media.file_offset_ns - late_s * 1_000_000_000) < 80_000_000
    assert media.duration_ns == 2_000_000_000


def test_one_record_a_cell_in_order_with_the_grid(decoder: Decoder, source: Source, clip: Clip) -> None:
    found = decoder.inspect(source)
    records = list(decoder.decode(source, span_of(found, clip.path)))
    assert [record.segment for record in records] == list(range(segment_count(found.media.duration_ns)))
    for record in records:
        assert (record.span.first_segment, record.span.end_segment) == (record.segment, record.segment + 1)
        grid = [sample.time_ns for sample in record.samples if sample.kind == "grid"]
        assert grid == sample_times(*record.range_ns)
        assert [sample.time_ns for sample in record.samples] == sorted(sample.time_ns for sample in record.samples)
        assert all(len(sample.yuv) == record.width * record.height * 3 // 2 for sample in record.samples)
        assert record.dense is not None
        assert record.dense.shape == (DENSE_TICKS, 27, 48, 3)
        assert len(record.to_bytes()) < MAX_FRAMES_BYTES
        assert Frames.from_bytes(record.to_bytes()).samples == list(record.samples)


def test_every_shot_has_a_sample_of_its_own(decoder: Decoder, tmp_path: Path) -> None:
    """Of three shots under a second, the one that begins the cell and the one at 4.6 s hold no grid position."""
    clip = write_clip(tmp_path / "short.mp4", seconds=10, size=(320, 180), scenes=[0.4, 4.2, 0.4, 0.6, 4.4])
    source = opened(clip.path)
    cell = next(iter(decoder.decode(source, span_of(decoder.inspect(source), clip.path))))
    assert {0, 460} <= {s.time_ns // 10**7 for s in cell.samples if s.kind == "jump"}
    bounds = [0, *(cut * 40_000_000 for cut in clip.cuts), 10_000_000_000]
    for start_ns, end_ns in pairwise(bounds):
        assert any(start_ns <= sample.time_ns < end_ns for sample in cell.samples)


def test_footage_that_is_cut_fast_has_a_sample_of_every_shot(decoder: Decoder, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "trailer.mp4", seconds=10, size=(64, 36), scenes=25)
    source = opened(clip.path)
    cell = next(iter(decoder.decode(source, span_of(decoder.inspect(source), clip.path))))
    shots = [sample.time_ns // 400_000_000 for sample in cell.samples]
    assert sorted(set(shots)) == list(range(25))


def test_fast_takes_key_frames_and_a_frame_where_there_is_none(decoder: Decoder, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "sparse.mp4", seconds=35, gop=300, size=(64, 36)).path
    source = opened(path)
    records = list(decoder.decode(source, span_of(decoder.inspect(source), path, profile="fast")))
    assert [[(s.kind, s.time_ns // 10**8) for s in record.samples] for record in records] == [
        [("key", 0)],
        [("key", 120)],
        [("key", 240)],
        [("grid", 305)],
    ]
    assert all(record.dense is None for record in records)


def test_a_changed_source_is_superseded(decoder: Decoder, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", seconds=12, size=(64, 36)).path
    source = opened(path)
    span = span_of(decoder.inspect(source), path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(Superseded):
        list(decoder.decode(source, span))


def test_lost_cells_are_named_after_the_others_came(decoder: Decoder, tmp_path: Path) -> None:
    whole = write_clip(
        tmp_path / "whole.mp4",
        seconds=50,
        size=(160, 90),
        scenes=8,
        container_options={"movflags": "faststart"},
    ).path
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    source = opened(cut)
    found = decoder.inspect(source)
    assert found.media.duration_ns == 5 * SEGMENT_NS
    records: list[Frames] = []
    with pytest.raises(BadMedia) as caught:
        for record in decoder.decode(source, span_of(found, cut)):
            records.append(record)  # noqa: PERF402 - what came before the error counts
    assert caught.value.code == "missing_frames"
    assert len(records) >= 2
    assert sorted([*caught.value.segments, *(record.segment for record in records)]) == [0, 1, 2, 3, 4]
    intact = opened(whole)
    first = next(iter(decoder.decode(intact, span_of(decoder.inspect(intact), whole))))
    assert first.dense is not None
    assert records[0].dense is not None
    assert np.array_equal(first.dense, records[0].dense)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("noise.mp4", bytes(range(256)) * 64, "unreadable_container"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n", "unreadable_container"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile {other}\n", "unreadable_container"),
        ("list.mpd", b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', "unreadable_container"),
        ("list.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n", "unreadable_container"),
    ],
)
def test_what_is_no_video_is_bad_media(
    decoder: Decoder, clip: Clip, tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content.replace(b"{other}", str(clip.path).encode()))
    with pytest.raises(BadMedia) as caught:
        decoder.inspect(opened(path))
    assert caught.value.code == code


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_the_last_picture_lasts_as_long_as_it_is_shown(decoder: Decoder, tmp_path: Path, suffix: str) -> None:
    """The container's durations are steps of decode times: that of the last picture shown, which is not the last one
    decoded, says nothing of how long it is shown.
    """
    plain, path = tmp_path / "plain.mp4", tmp_path / f"reordered.{suffix}"
    write_clip(plain, seconds=2.4, options={"x264-params": "bframes=2:b-adapt=0:b-pyramid=none"})
    with av.open(str(plain)) as read, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        packets = [packet for packet in read.demux(read.streams.video[0]) if packet.pts is not None]
        last = max(range(len(packets)), key=lambda at: packets[at].pts or 0)
        assert last < len(packets) - 1
        for at, packet in enumerate(packets):
            packet.dts = (packet.dts or 0) - (round(0.08 / packet.time_base) if at <= last else 0)
            packet.stream = stream
            written.mux(packet)
    with av.open(str(path)) as container:
        shown_last = max(
            (each for each in container.demux(video=0) if each.pts is not None), key=lambda each: each.pts or 0
        )
        assert float((shown_last.duration or 0) * shown_last.time_base) == pytest.approx(0.12)
    assert decoder.inspect(opened(path)).media.duration_ns == 2_400_000_000
