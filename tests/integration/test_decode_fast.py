"""Profile `fast` over long spans: what it reads grows with the file, and no result tells where a span began."""

from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.ffmpeg.timeline import seekable
from decoders.sources.counting_source import CountingSource
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.events.grid import segment_count

SECONDS = 360
CELLS_OF_A_PASS = 12
FINE = {"qmin": "1", "qmax": "1"}
"""Large enough that what every opening reads to get to know the file does not count."""


def opened(path: Path) -> CountingSource:
    return CountingSource(open_source(str(path), SourcePolicy(roots=(str(path.parent),))), path.stat().st_size)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fast")


def written(folder: Path, name: str) -> Path:
    """`keys` has a key frame every half second, `few` one every 24 s; `jumps` is one stream after another."""
    if (folder / name).exists():
        return folder / name
    gop = 600 if name.startswith("few") else 12
    if name.endswith(".mp4"):
        return write_clip(
            folder / name, seconds=SECONDS, fps=5, gop=10**6, size=(160, 90), scenes=9, options={"crf": "1"}
        ).path
    if name.endswith(".mpg"):
        clip = write_clip(
            folder / name, seconds=SECONDS, codec="mpeg2video", gop=gop, size=(160, 90), scenes=9, options=FINE
        )
        return clip.path
    part = write_clip(folder / "part.ts", seconds=SECONDS / 3, gop=gop, size=(160, 90), scenes=3, options={"crf": "1"})
    path = folder / name
    path.write_bytes(part.path.read_bytes() * 3)
    return path


@pytest.mark.parametrize(
    ("name", "passes"), [("keys.mpg", 1.25), ("few.mpg", 2.25), ("keys_jumps.ts", 1.25), ("few_jumps.ts", 2.25)]
)
def test_a_source_without_seeks_is_passed_over_once_or_twice(folder: Path, name: str, passes: float) -> None:
    path = written(folder, name)
    source, decoder = opened(path), PyAVDecoder()
    found = decoder.inspect(source)
    assert not seekable(found.media)
    source.read_bytes = 0
    whole = list(decoder.decode(source, span_of(found, path, profile="fast")))
    assert source.read_bytes <= passes * path.stat().st_size
    source.close()
    assert [record.segment for record in whole] == list(range(segment_count(found.media.duration_ns)))
    kinds = {sample.kind for record in whole for sample in record.samples}
    assert kinds == ({"key", "grid"} if name.startswith("few") else {"key"})


@pytest.mark.parametrize("name", ["few.mpg", "few_jumps.ts", "one_key.mp4"])
def test_a_long_span_gives_what_short_ones_give(folder: Path, name: str) -> None:
    """Short spans go over the file anew for each, as every stretch of a long one once did."""
    path = written(folder, name)
    source, decoder = opened(path), PyAVDecoder()
    found = decoder.inspect(source)
    count = segment_count(found.media.duration_ns)
    whole = [record.to_bytes() for record in decoder.decode(source, span_of(found, path, profile="fast"))]
    parts = [range(first, min(first + CELLS_OF_A_PASS, count)) for first in range(0, count, CELLS_OF_A_PASS)]
    assert len(parts) > 2
    assert whole == [
        record.to_bytes()
        for part in parts
        for record in decoder.decode(source, span_of(found, path, part, profile="fast"))
    ]
    source.close()


def test_a_long_gop_is_decoded_once(folder: Path) -> None:
    """A span as long as its only GOP: seeks would lead back to its beginning each time."""
    path = written(folder, "one_key.mp4")
    source, decoder = opened(path), PyAVDecoder()
    found = decoder.inspect(source)
    assert seekable(found.media)
    source.read_bytes = 0
    assert len(list(decoder.decode(source, span_of(found, path, profile="fast")))) == SECONDS // 10
    assert source.read_bytes <= 2.5 * path.stat().st_size
    source.close()
