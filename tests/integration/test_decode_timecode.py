"""Source time code from containers and coded pictures, as the muxers and encoders of FFmpeg write it."""

from fractions import Fraction
from pathlib import Path

import pytest

from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.events.grid import SECOND_NS
from stream.events.timecode import SourceTimecode
from tests.support.numbered_clips import write_numbered

START = "01:00:59;28"
NTSC = Fraction(1001, 30000)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("track.mov", "libx264"),
        ("track.mp4", "libx264"),
        ("package.mxf", "mpeg2video"),
        ("tag.mkv", "libx264"),
        ("group.ts", "mpeg2video"),
        ("group.mpg", "mpeg2video"),
    ],
)
def test_time_code_is_carried_and_counted(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    options = {"gop_timecode": START} if codec == "mpeg2video" else {}
    write_numbered(path, range(60), time_base=NTSC, codec=codec, options=options, metadata={"timecode": START})
    source = open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))
    media = PyAVDecoder().inspect(source).media
    source.close()
    assert media.timecode == START
    code = SourceTimecode.of(media)
    assert code is not None
    shown = [code.name(code.at(round(frame * NTSC * SECOND_NS))) for frame in range(4)]
    assert shown == ["01:00:59;28", "01:00:59;29", "01:01:00;02", "01:01:00;03"]


def test_footage_without_one_has_none(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "plain.mp4", range(10))
    source = open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))
    assert PyAVDecoder().inspect(source).media.timecode is None
    source.close()
