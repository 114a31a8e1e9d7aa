"""What an H.264 stream says of its reordering, beside what its encoder was told."""

from fractions import Fraction

import av
import numpy as np
import pytest

from decoders.formats.h264 import length_bytes, reordered, units


def record_of(parameters: bytes) -> bytes:
    """avcC (ISO/IEC 14496-15, 5.3.3.1) of parameter sets behind start codes."""
    sets = [parameters[at:] for at in units(parameters, 0)]
    sets = [each.partition(b"\0\0\1")[0].rstrip(b"\0") for each in sets]
    (sequence,) = [each for each in sets if each[0] & 31 == 7]
    (picture,) = [each for each in sets if each[0] & 31 == 8]
    head = bytes([1, *sequence[1:4], 0xFF, 0xE1]) + len(sequence).to_bytes(2) + sequence
    return head + b"\1" + len(picture).to_bytes(2) + picture


def made(x264: str, pix_fmt: str = "yuv420p", options: dict[str, str] | None = None) -> bytes:
    """The parameter sets of an encoder with these settings."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = 128, 96, pix_fmt
    context.time_base, context.framerate, context.thread_count = Fraction(1, 25), Fraction(25), 1
    context.options = {"x264-params": x264} | (options or {})
    frame = av.VideoFrame.from_ndarray(np.zeros((96, 128), np.uint8), format="gray8").reformat(format=pix_fmt)
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


@pytest.mark.parametrize(
    ("x264", "pix_fmt", "expected"),
    [
        ("bframes=0", "yuv420p", 0),
        ("bframes=3:b-pyramid=none", "yuv420p", 1),
        ("bframes=3:b-pyramid=normal", "yuv420p", 2),
        ("bframes=3:b-pyramid=normal:sar=40/33:overscan=show:videoformat=pal:fullrange=on", "yuv420p", 2),
        ("bframes=3:b-pyramid=normal:colorprim=bt709:transfer=bt709:colormatrix=bt709:chromaloc=2", "yuv420p", 2),
        ("bframes=3:b-pyramid=normal:sar=1234/1001:nal-hrd=vbr:vbv-maxrate=900:vbv-bufsize=900", "yuv420p", 2),
        ("bframes=3:b-pyramid=none:cqm=jvt", "yuv420p", 1),
        ("bframes=3:b-pyramid=normal:interlaced=1", "yuv420p", 2),
        ("bframes=3:b-pyramid=normal", "yuv444p", 2),
        ("bframes=3:b-pyramid=normal:cqm=jvt", "yuv444p", 2),
        ("bframes=3:b-pyramid=normal", "yuv420p10le", 2),
    ],
)
def test_the_reordering_is_what_the_encoder_was_told(x264: str, pix_fmt: str, expected: int) -> None:
    assert reordered(record_of(made(x264, pix_fmt))) == expected


@pytest.fixture(scope="module")
def record() -> bytes:
    return record_of(made("bframes=3:b-pyramid=normal:sar=40/33:nal-hrd=vbr:vbv-maxrate=900:vbv-bufsize=900"))


def test_a_set_that_is_cut_off_says_nothing(record: bytes) -> None:
    size = int.from_bytes(record[6:8])
    for left in range(size):
        assert reordered(record[:6] + left.to_bytes(2) + record[8 : 8 + left]) is None
        assert reordered(record[: 8 + left]) is None


def test_two_sets_or_none_say_nothing(record: bytes) -> None:
    assert reordered(record[:5] + b"\xe2" + record[6:]) is None
    assert reordered(record[:5] + b"\xe0" + record[6:]) is None


@pytest.mark.parametrize("data", [b"", b"\1", b"\0\0\0\1\x67\x42\0\x1e", b"\xff" * 60, b"\1" + bytes(60)])
def test_what_is_no_record_says_nothing(data: bytes) -> None:
    assert reordered(data) is None


def test_a_stream_that_does_not_tell_is_not_guessed_at() -> None:
    # Baseline, 128x96, no usability information (7.3.2.1.1): ue(0) ue(0) ue(0) ue(0) ue(1) 0 ue(7) ue(5) 1 1 0 0.
    payload = int("11110100000100000110110010000000", 2)
    sequence = bytes([0x67, 66, 0, 30]) + payload.to_bytes(4)
    told = bytes([1, 66, 0, 30, 0xFF, 0xE1]) + len(sequence).to_bytes(2) + sequence
    assert reordered(told) is None


@pytest.mark.parametrize(("data", "expected"), [(b"\1abc\xff", 4), (b"\1abc\xfc", 1), (b"\0\0\0\1", 0), (b"", 0)])
def test_lengths_of_units(data: bytes, expected: int) -> None:
    assert length_bytes(data) == expected
