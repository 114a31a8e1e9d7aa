"""Small files that claim to be enormous, endless or elsewhere: refused in words, or shown as the little they are."""

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.footage import corpus, span_of
from decoders.sandbox.pool import ChildLimits, DecodePool
from decoders.sources.policy import SourcePolicy
from stream.errors import StageError
from tests.support import forgeries

YEARS = 5 * 86_400 * 365 * 3  # in frames of 1/5 s


@dataclass(frozen=True, slots=True)
class Bench:
    folder: Path
    pool: DecodePool

    def clip(self, name: str, codec: str = "libx264", pix_fmt: str = "yuv420p", pts: tuple[int, ...] = ()) -> bytes:
        """Content of 12 s of 64 x 48 at 5 frames a second."""
        shown = pts or None
        made = write_clip(
            self.folder / name, seconds=12, fps=5, gop=10, size=(64, 48), codec=codec, pix_fmt=pix_fmt, pts=shown
        )
        return made.path.read_bytes()

    def outcome(self, name: str, content: bytes) -> tuple[str, int, int]:
        """(code, cells planned, cells that came)."""
        path = self.folder / name
        path.write_bytes(content)
        came, cells = 0, 0
        try:
            found = self.pool.inspect(str(path))
            cells = span_of(found, path).segment_count
            came = sum(1 for _ in self.pool.decode(span_of(found, path)))
        except StageError as error:
            assert error.message.startswith(f"{name}: ")
            return error.code, cells, came
        return "", cells, came


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One child with little memory serves all: whatever a file claims, the next one is answered."""
    folder = tmp_path_factory.mktemp("claims")
    policy, limits = SourcePolicy(roots=(str(folder),)), ChildLimits(memory_bytes=768 << 20)
    with DecodePool(children=1, policy=policy, limits=limits) as pool:
        before = pool.pids
        yield Bench(folder, pool)
        assert pool.pids == before, "no claim may cost a child"


def large_bitmap(bench: Bench, side: int = 9_000) -> bytes:
    """The AVI header's word counts: raw pictures have none of their own. FFmpeg forgets a size over its limit."""
    content = bench.clip("raw.avi", "rawvideo")
    header = struct.pack("<Iii", 40, 64, 48)
    assert header in content
    return content.replace(header, struct.pack("<Iii", 40, side, side))


def huge_bitmap(bench: Bench) -> bytes:
    """More than FFmpeg can count."""
    return large_bitmap(bench, 60_000)


def huge_pictures(bench: Bench) -> bytes:
    """The container is honest, the pictures in it are not."""
    content = bench.clip("small.avi", "mjpeg", "yuvj420p")
    assert struct.pack(">HH", 48, 64) in content
    return content.replace(struct.pack(">HH", 48, 64), struct.pack(">HH", 60_000, 60_000))


def many_tracks(bench: Bench) -> bytes:
    return forgeries.with_many_tracks(bench.clip("one.mp4"), 10_000)


def years_of_one_frame(bench: Bench) -> bytes:
    content = bytearray(bench.clip("short.mp4"))
    at = content.find(b"stts")
    assert struct.unpack_from(">II", content, at + 8) == (1, 60)
    struct.pack_into(">I", content, at + 16, 0x7FFF_FFFF)
    return bytes(content)


def ages_of_one_frame(bench: Bench) -> bytes:
    """More nanoseconds than 64 bits count: a fine time scale made coarse, and a long frame."""
    content = bytearray(years_of_one_frame(bench))
    struct.pack_into(">I", content, content.find(b"mdhd") + 16, 1)
    return bytes(content)


def years_between_frames(bench: Bench) -> bytes:
    return bench.clip("gap.mkv", pts=(*range(30), *range(YEARS, YEARS + 30)))


@pytest.mark.parametrize(
    ("forge", "name", "code"),
    [
        (large_bitmap, "large.avi", "no_frames"),
        (huge_bitmap, "huge.avi", "no_frames"),
        (huge_pictures, "pictures.avi", "no_frames"),
        (many_tracks, "tracks.mp4", "too_many_streams"),
        (years_of_one_frame, "years.mp4", "too_long"),
        (ages_of_one_frame, "ages.mp4", "too_long"),
        (years_between_frames, "years.mkv", "too_long"),
    ],
)
def test_a_claim_is_refused_before_anything_is_made_of_it(
    bench: Bench, forge: Callable[[Bench], bytes], name: str, code: str
) -> None:
    assert bench.outcome(name, forge(bench)) == (code, 0, 0)


def test_durations_in_headers_are_not_believed(bench: Bench) -> None:
    content = bytearray(bench.clip("header.mp4"))
    for name, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        struct.pack_into(">I", content, content.find(name) + offset, 0xFFFF_FFF0)
    assert bench.outcome("durations.mp4", bytes(content)) == ("", 2, 2)


def test_a_day_between_packets_of_a_transport_stream_is_a_new_run(bench: Bench) -> None:
    content = bench.clip("steady.ts")
    jumped = forgeries.moved_pes_times(content, len(content) // 2, 20 * 3600 * 90_000)
    code, cells, came = bench.outcome("jump.ts", jumped)
    assert code == ""
    assert cells == came
    assert cells <= 2


@pytest.mark.parametrize("kind", ["alias", "url", "relative"])
def test_media_in_another_file_is_not_read(bench: Bench, kind: str) -> None:
    """The other file holds exactly the pictures that are missing here; FFmpeg alone, told to, finds them by alias."""
    content = bench.clip("whole.mov", "mpeg4")
    other = bench.folder / "whole.mov"
    entry = {
        "alias": forgeries.alias_reference(other),
        "url": forgeries.url_reference(other.as_uri()),
        "relative": forgeries.url_reference("whole.mov"),
    }[kind]
    forged = forgeries.with_reference(content, entry)
    assert bench.outcome(f"{kind}.mov", forged) == ("no_frames", 0, 0)
    if kind == "alias":
        with av.open(str(bench.folder / "alias.mov"), options={"enable_drefs": "1", "use_absolute_path": "1"}) as plain:
            assert sum(1 for _ in plain.decode(video=0)) == 60


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hls.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n"),
        ("hls-key.ts", '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{other}"\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n'),
        ("concat.mp4", "ffconcat version 1.0\nfile {other}\nduration 10\n"),
        (
            "dash.mp4",
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{other}</BaseURL></MPD>',
        ),
        ("smil.mp4", '<smil><body><video src="{other}"/></body></smil>'),
        ("asx.asf", '<asx version="3.0"><entry><ref href="{other}"/></entry></asx>'),
        ("reference.rm", "{other}\n"),
        ("session.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
        ("script.avs", 'FFmpegSource2("{other}")\n'),
        ("pattern%03d.png", "\x89PNG\r\n"),
    ],
)
def test_what_names_other_files_is_no_video(bench: Bench, name: str, content: str) -> None:
    bench.clip("other.mp4")
    for other in ((bench.folder / "other.mp4").as_uri(), str(bench.folder / "other.mp4"), "other.mp4"):
        assert bench.outcome(name, content.replace("{other}", other).encode()) == ("unreadable_container", 0, 0)


def test_a_broken_bitstream_in_an_honest_container(bench: Bench) -> None:
    content = bytearray(bench.clip("sound.mp4"))
    (_, start, end) = next(found for found in forgeries.boxes(bytes(content), 0, len(content)) if found[0] == b"mdat")
    content[start + 8 : end] = random.Random(3).randbytes(end - start - 8)
    assert bench.outcome("noise.mp4", bytes(content)) == ("no_frames", 0, 0)


@pytest.mark.corpus
def test_the_invalid_bitstream_of_the_corpus(bench: Bench) -> None:
    root = corpus()
    if root is None:
        pytest.skip("no corpus: set RUSHES_CORPUS")
    code, cells, came = bench.outcome("invalid.webm", (root / "invalid_bitstream_vp9.webm").read_bytes())
    assert came == cells or code in {"no_frames", "missing_frames"}


def test_a_packet_of_impossible_size_in_an_unknown_codec_is_no_lack_of_memory(bench: Bench) -> None:
    content = bytearray(bench.clip("unknown.mp4"))
    entry = content.rindex(b"avc1")
    content[entry : entry + 4] = b"zzzz"
    # The first of the sizes of packets, after version, common size and count (ISO/IEC 14496-12, 8.7.3.2).
    struct.pack_into(">I", content, content.rindex(b"stsz") + 16, 0x3A000000)
    assert bench.outcome("unknown.mp4", bytes(content)) == ("unknown_codec", 0, 0)
