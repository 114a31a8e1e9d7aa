"""Films that are opened without FFmpeg's probe say and show what they do when it is asked."""

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import pytest

import decoders.ffmpeg.reader
import decoders.ffmpeg.recording
from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.footage import corpus_clips, span_of
from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.ffmpeg.unprobed import Unprobed, open_unprobed
from decoders.protocol import Inspection, Source
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import StageError
from stream.events.media import Media
from tests.support.numbered_clips import write_numbered

TIMES = range(120)
REORDERED = {"bf": "3", "b_strategy": "0"}


def plain(path: Path, **more: str) -> Path:
    return write_numbered(path, TIMES, options=REORDERED | more)


def in_fields(path: Path) -> Path:
    return plain(path, flags="+ildct+ilme", **{"x264-params": "interlaced=1"})


def open_groups(path: Path) -> Path:
    return plain(path, **{"x264-params": "open-gop=1:keyint=20:min-keyint=20:b-adapt=0:scenecut=0"})


def with_aspect(path: Path) -> Path:
    return plain(path, **{"x264-params": "sar=40/33:fullrange=on:colorprim=bt709:transfer=bt709:colormatrix=bt709"})


def not_reordered(path: Path) -> Path:
    return write_numbered(path, TIMES, options={"bf": "0"})


def with_sound(path: Path) -> Path:
    return write_clip(path, seconds=12, fps=10, gop=25, size=(64, 48), codec="libx264", audio=True).path


def fragmented(path: Path) -> Path:
    return write_numbered(path, TIMES, options=REORDERED, container_options={"movflags": "frag_keyframe+empty_moov"})


def joined(path: Path) -> Path:
    part = plain(path).read_bytes()
    path.write_bytes(part + part)
    return path


def cut_off(path: Path) -> Path:
    whole = write_numbered(path, TIMES, options=REORDERED, container_options={"movflags": "faststart"}).read_bytes()
    path.write_bytes(whole[: 2 * len(whole) // 3])
    return path


def damaged_at_its_beginning(path: Path) -> Path:
    content = bytearray(write_numbered(path, TIMES, options=REORDERED).read_bytes())
    at = content.index(b"mdat") + 900
    content[at : at + 300] = bytes(300)
    path.write_bytes(content)
    return path


def with_parameters_inside(path: Path) -> Path:
    """Each key picture comes with a parameter set of its own, which says something else than the header."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    with av.open(str(plain(path.with_name("own.mp4")))) as read, av.open(str(path), "w") as written:
        template = read.streams.video[0]
        stream = written.add_stream_from_template(template)
        own = parameters_of(write_numbered(path.with_name("other.mp4"), range(3), options={"bf": "0"}))
        for packet in read.demux(template):
            if packet.pts is None:
                continue
            inside = av.Packet(own + bytes(packet) if packet.is_keyframe else bytes(packet))
            inside.pts, inside.dts, inside.duration = packet.pts, packet.dts, packet.duration
            inside.time_base, inside.is_keyframe, inside.stream = packet.time_base, packet.is_keyframe, stream
            written.mux(inside)
    return path


def parameters_of(path: Path) -> bytes:
    """The sequence parameter set of a film, as a unit with four bytes of length."""
    with av.open(str(path)) as container:
        record = container.streams.video[0].codec_context.extradata or b""
    size = int.from_bytes(record[6:8])
    return size.to_bytes(4) + record[8 : 8 + size]


FILMS: dict[str, tuple[Callable[[Path], Path], bool, bool]] = {
    # How it is made, and whether it can be opened without the probe to be inspected, and to be decoded.
    "plain": (plain, True, True),
    "open groups": (open_groups, True, True),
    "aspect and colour": (with_aspect, True, True),
    "damage": (damaged_at_its_beginning, True, True),
    "cut off": (cut_off, True, True),
    "sound": (with_sound, True, True),
    "fields": (in_fields, True, True),
    "joined": (joined, True, True),
    "fragments": (fragmented, True, True),
    "no reordering": (not_reordered, False, False),
    "parameters inside": (with_parameters_inside, False, False),
}


def opened(path: Path) -> Source:
    return open_source(str(path), SourcePolicy(roots=(str(path.parent),)))


def said(path: Path) -> "tuple[Inspection, Sequence[bytes | str]] | str":
    """Everything that a film tells: its facts, its cells with and without a dense view, or what is wrong with it."""
    decoder, source = PyAVDecoder(), opened(path)
    cells: list[bytes | str] = []
    try:
        found = decoder.inspect(source)
        for dense in (False, True):
            span = span_of(found, path)
            span = span.model_copy(update={"settings": span.settings.model_copy(update={"dense": dense})})
            try:
                cells += [cell.to_bytes() for cell in PyAVDecoder().decode(source, span)]
            except StageError as error:
                cells.append(f"{error.code} {error.segments}")
    except StageError as error:
        return f"{error.code}: {error.message}"
    finally:
        source.close()
    return found, cells


def always_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (decoders.ffmpeg.reader, decoders.ffmpeg.recording):
        monkeypatch.setattr(module, "open_unprobed", lambda *_, **__: None)


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_film_says_and_shows_the_same(
    name: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, alone, decoded = FILMS[name]
    path = make(tmp_path / f"film.{suffix}")
    told = said(path)
    source = opened(path)
    for index, expected in ((-1, alone), (0, decoded)):
        found = open_unprobed(source, MediaLimits(), index=index)
        assert (found is not None) == expected
        if found is not None:
            assert found.first.is_keyframe
            found.container.close()
    always_probed(monkeypatch)
    assert told == said(path)
    assert not isinstance(told, str)
    assert told[1]


def test_neither_inspection_nor_decode_asks_for_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path / "film.mp4")
    told = said(path)

    def probed(*_: object, **__: object) -> None:
        raise AssertionError("the probe decodes a picture")

    for module in (decoders.ffmpeg.reader, decoders.ffmpeg.recording):
        monkeypatch.setattr(module, "open_container", probed)
    assert said(path) == told


def test_a_span_that_does_not_begin_with_the_film_is_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path / "film.mp4")
    asked: list[int] = []

    def counted(source: Source, limits: MediaLimits, end: int | None = None, *, index: int = -1) -> Unprobed | None:
        asked.append(index)
        return open_unprobed(source, limits, end, index=index)

    monkeypatch.setattr(decoders.ffmpeg.reader, "open_unprobed", counted)
    source = opened(path)
    found = PyAVDecoder().inspect(source)
    for cells, times in ((range(1, 2), 0), (range(2), 1)):
        list(PyAVDecoder().decode(source, span_of(found, path, cells)))
        assert len(asked) == times
    list(PyAVDecoder().decode(source, span_of(found, path, range(2), profile="fast")))
    assert len(asked) == 1


@pytest.mark.parametrize("path", corpus_clips(), ids=lambda path: path.name)
def test_facts_of_the_corpus_do_not_depend_on_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def facts() -> tuple[str, Media, tuple[int, ...]]:
        source = opened(path)
        found = PyAVDecoder().inspect(source)
        source.close()
        return found.content_digest, found.media, found.keyframes_ns

    told = facts()
    always_probed(monkeypatch)
    assert facts() == told
