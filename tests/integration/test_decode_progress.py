"""Inspections that read for long: what reads on is waited for, what does not is ended."""

from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.protocol import Inspection
from decoders.sandbox.pool import ChildLimits, DecodePool
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import BadMedia, Retryable

LENGTH_BYTES = 30 << 20
PACKET_BYTES = 188
NULL_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * (PACKET_BYTES - 4)


@pytest.fixture(scope="module")
def stuffed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MPEG transport stream of 30 MiB: a small clip and, as broadcasters do, null packets all over."""
    folder = tmp_path_factory.mktemp("progress")
    clip = write_clip(folder / "clip.ts", seconds=12, size=(64, 36)).path.read_bytes()
    packets = [clip[at : at + PACKET_BYTES] for at in range(0, len(clip), PACKET_BYTES)]
    between = NULL_PACKET * (LENGTH_BYTES // PACKET_BYTES // len(packets))
    path = folder / "stuffed.ts"
    path.write_bytes(b"".join(packet + between for packet in packets))
    return path


@pytest.fixture(scope="module")
def found(stuffed: Path) -> Inspection:
    source = open_source(str(stuffed), SourcePolicy(roots=(str(stuffed.parent),)))
    inspection = PyAVDecoder().inspect(source)
    source.close()
    return inspection


def pool_of(path: Path, decoder: str, limits: ChildLimits) -> DecodePool:
    policy = SourcePolicy(roots=(str(path.parent),))
    return DecodePool(children=1, policy=policy, limits=limits, decoder=f"tests.support.slow_decoders:{decoder}")


@pytest.mark.parametrize(
    ("decoder", "limits"), [("SlowStorage", ChildLimits(wall_s=4.0)), ("HardWork", ChildLimits(cpu_s=2.0))]
)
def test_an_inspection_that_reads_on_outlasts_its_limits(
    stuffed: Path, found: Inspection, decoder: str, limits: ChildLimits
) -> None:
    """It takes 10 s, or 5 s of computing: 30 MiB once for the packets and once for the digest."""
    with pool_of(stuffed, decoder, limits) as pool:
        before = pool.pids
        assert pool.inspect(str(stuffed)) == found
        assert pool.pids == before


@pytest.mark.parametrize(
    ("decoder", "limits", "code"),
    [
        ("Spinning", ChildLimits(cpu_s=1.0), "decoder_hung"),
        ("Dripping", ChildLimits(wall_s=2.0), "decoder_hung"),
        ("GoingRound", ChildLimits(wall_s=3.0), "decoder_hung"),
        ("Boasting", ChildLimits(), "decoder_died"),
    ],
)
def test_what_does_not_read_on_is_ended(stuffed: Path, decoder: str, limits: ChildLimits, code: str) -> None:
    with pool_of(stuffed, decoder, limits) as pool, pytest.raises(Retryable) as caught:
        pool.inspect(str(stuffed))
    assert caught.value.code == code


def test_reading_on_has_an_end_too(stuffed: Path) -> None:
    with (
        pool_of(stuffed, "SlowStorage", ChildLimits(longest_s=4.0)) as pool,
        pytest.raises(BadMedia, match=r"stuffed\.ts: read for 4 s") as caught,
    ):
        pool.inspect(str(stuffed))
    assert caught.value.code == "too_slow"
