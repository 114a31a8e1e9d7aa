"""Without a dense view only what leads to a sample is decoded, and every sample is the picture that it always was."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import pytest

from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.choice import Wanted
from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.ffmpeg.reader import FrameReader
from decoders.protocol import Source
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.children.scheduling import schedule_as_others_do
from stream.events.asset import SpanPlanned
from stream.events.frames import Colour, Frames, Sample
from stream.events.grid import sample_times
from tests.support.numbered_clips import write_numbered

SECONDS, RATE = 13, 10
LAYERS = "temporal-layers=3:b-adapt=0:bframes=7:b-pyramid=1:log-level=error"


@dataclass(frozen=True, slots=True)
class Film:
    """`most`: at most this part of its pictures is decoded."""

    codec: str
    suffix: str
    most: float
    gop: int = 25
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)


FILMS = {
    "closed groups": Film("libx264", "mp4", 0.7, options={"bf": "3", "b_strategy": "0"}),
    "a long group": Film("libx264", "mp4", 0.75, gop=300, options={"bf": "3", "b_strategy": "0"}),
    "open groups": Film("libx264", "mp4", 0.75, options={"bf": "5", "b_strategy": "0", "x264-params": "open-gop=1"}),
    "start codes": Film("libx264", "ts", 0.7, options={"bf": "3", "b_strategy": "0"}),
    "refresh": Film("libx264", "ts", 1.0, options={"bf": "0", "x264-params": "intra-refresh=1"}),
    "H.265": Film("libx265", "ts", 0.75, options={"x265-params": "log-level=error:bframes=4:b-adapt=0"}),
    "temporal layers": Film("libx265", "mp4", 1.0, options={"x265-params": LAYERS}),
    "MPEG-2": Film("mpeg2video", "ts", 0.75, gop=15, options={"bf": "2"}),
    "VP9": Film("libvpx-vp9", "webm", 0.95, options={"deadline": "realtime", "cpu-used": "8"}),
    "AV1": Film("libsvtav1", "mp4", 0.95, options={"preset": "12"}),
    "intra alone": Film("prores_ks", "mov", 0.2, pix_fmt="yuv422p10le"),
}


@pytest.fixture(scope="module", params=FILMS)
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Film, Path]:
    film = FILMS[request.param]
    path = tmp_path_factory.mktemp("wanted") / f"film.{film.suffix}"
    # A thousandth more than ten pictures a second: groups do not end where cells do.
    times, base = [round(number * 1001 / RATE) for number in range(SECONDS * RATE)], Fraction(1, 1000)
    if film.codec in ("mpeg2video", "libsvtav1"):  # they know few rates
        times, base = list(range(SECONDS * 25)), Fraction(1, 25)
    write_numbered(
        path, times, time_base=base, codec=film.codec, gop=film.gop, pix_fmt=film.pix_fmt, options=film.options
    )
    schedule_as_others_do()
    return film, path


def opened(path: Path) -> Source:
    return open_source(str(path), SourcePolicy(roots=(str(path.parent),)))


def span_in(path: Path, *, dense: bool) -> SpanPlanned:
    span = span_of(PyAVDecoder().inspect(opened(path)), path)
    return span.model_copy(update={"settings": span.settings.model_copy(update={"dense": dense})})


def told(cell: Frames) -> tuple[int, list[Sample], Colour, bool]:
    """What a cell says, without the samples that only a dense view gives."""
    return cell.segment, [sample for sample in cell.samples if sample.kind == "grid"], cell.colour, cell.damaged


def test_samples_are_those_of_a_whole_decode(film: tuple[Film, Path]) -> None:
    _, path = film
    whole = list(PyAVDecoder().decode(opened(path), span_in(path, dense=True)))
    span = span_in(path, dense=False)
    less = list(PyAVDecoder().decode(opened(path), span))
    assert [told(cell) for cell in less] == [told(cell) for cell in whole]
    for cell in less:
        (alone,) = PyAVDecoder().decode(opened(path), span.narrowed(cell.segment))
        assert alone.to_bytes() == cell.to_bytes(), "where a span begins is not seen"


def test_what_leads_to_no_sample_is_not_decoded(film: tuple[Film, Path]) -> None:
    kind, path = film
    source = opened(path)
    media = PyAVDecoder().inspect(source).media
    reader = FrameReader(source, media, 64, MediaLimits())
    passed: list[int] = []
    errors: list[int] = []
    wanted = Wanted(
        tuple(sample_times(0, media.duration_ns)), media.duration_ns, lambda time_ns, _: passed.append(time_ns)
    )
    decoded = [frame.time_ns for frame in reader.frames(0, errors.append, wanted)]
    every = [frame.time_ns for frame in reader.frames(0, errors.append)]
    assert decoded == sorted(decoded)
    assert sorted([*decoded, *passed]) == every, "each picture is decoded or left out"
    assert not errors
    assert len(decoded) <= kind.most * len(every)


@pytest.mark.parametrize(("lost", "noticed"), [(125, True), (127, False)])
def test_damage_counts_where_a_sample_is_hit(lost: int, noticed: bool, tmp_path: Path) -> None:
    """Pictures 125 and 127 are shown at 12.5 s, where a sample is, and at 12.7 s. None refers to them."""
    path = write_numbered(tmp_path / "film.mp4", range(230), gop=40, options={"bf": "3", "b_strategy": "0"})
    span = span_in(path, dense=False)
    whole = list(PyAVDecoder().decode(opened(path), span))
    damage(path, lost)
    span = span.model_copy(update={"source": opened(path).version})
    cells = list(PyAVDecoder().decode(opened(path), span))
    assert [cell.damaged for cell in cells] == [False, noticed, False]
    samples, before = ([sample for cell in kind for sample in cell.samples] for kind in (cells, whole))
    assert [one.time_ns for one, other in zip(samples, before, strict=True) if one.yuv != other.yuv] == (
        [12_500_000_000] if noticed else []
    )
    for cell in cells:
        (alone,) = PyAVDecoder().decode(opened(path), span.narrowed(cell.segment))
        assert alone.to_bytes() == cell.to_bytes()


def damage(path: Path, pts: int) -> None:
    """Noise in place of the picture that is shown then."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        ticks = round(Fraction(pts, RATE) / stream.time_base)
        found = next(packet for packet in container.demux(stream) if packet.pts == ticks)
        place, size = found.pos, found.size
    data = bytearray(path.read_bytes())
    assert place is not None
    data[place + 5 : place + size] = b"\xff" * (size - 5)
    path.write_bytes(data)
