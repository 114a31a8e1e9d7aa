"""Encrypted footage is refused in words, in Matroska too, where its packets do not say it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from decoders.ffmpeg.encryption import is_encrypted_track
from decoders.sources.file import FileSource
from stream.errors import BadMedia
from tests.support.pictures import decoded

EBML, SEGMENT, TRACKS, ENTRY = "1A45DFA3", "18538067", "1654AE6B", "AE"
ENCODINGS, ENCODING, ENCRYPTION, COMPRESSION = "6D80", "6240", "5035", "5034"
CHECKSUM = "BF"


def element(kind: str, content: bytes) -> bytes:
    """With a size of eight bytes, as muxers write it (RFC 8794)."""
    return bytes.fromhex(kind) + (1 << 56 | len(content)).to_bytes(8) + content


def encoding(kind: str) -> bytes:
    return element(ENCODINGS, element(ENCODING, element(kind, b"")))


def file_of(entries: Sequence[bytes]) -> bytes:
    tracks = element(TRACKS, b"".join(element(ENTRY, content) for content in entries))
    return element(EBML, b"") + element(SEGMENT, element("EC", bytes(40)) + tracks)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([b""], [False]),
        ([encoding(ENCRYPTION)], [True]),
        ([encoding(COMPRESSION)], [False]),
        ([b"", encoding(ENCRYPTION), b""], [False, True, False]),
        ([element("86", b"V_VP8") + encoding(ENCRYPTION)], [True]),
    ],
)
def test_a_track_says_that_it_is_encrypted(tmp_path: Path, entries: list[bytes], expected: list[bool]) -> None:
    path = tmp_path / "clip.mkv"
    path.write_bytes(file_of(entries))
    source = FileSource(path, (str(tmp_path),))
    assert [is_encrypted_track(source, 0, index) for index in range(len(entries))] == expected
    assert not is_encrypted_track(source, 0, len(entries))  # no such track
    source.close()


def number(data: bytes, at: int) -> tuple[int, int]:
    length = 9 - data[at].bit_length()
    return int.from_bytes(data[at : at + length]) & (1 << 7 * length) - 1, at + length


def after_checksum(data: bytes, at: int) -> int:
    """Where an element's first other child is: a checksum may lie before it, with any bytes (RFC 8794, 11.3.1)."""
    if data[at : at + 1] != bytes.fromhex(CHECKSUM):
        return at
    size, inside = number(data, at + 1)
    return inside + size


AES = element(ENCODINGS, element(ENCODING, element("5033", b"\1") + element(ENCRYPTION, element("47E1", b"\5"))))
"""As encoders of encrypted WebM write it: the type is encryption, the algorithm AES."""


@pytest.mark.parametrize("said", [AES, encoding(ENCRYPTION)], ids=["whole", "bare"])
@pytest.mark.parametrize("suffix", ["mkv", "webm"])
def test_encrypted_matroska_fails_in_words(tmp_path: Path, suffix: str, said: bytes) -> None:
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    path = write_clip(tmp_path / f"clip.{suffix}", codec=codec, seconds=2, fps=5, size=(64, 48)).path
    decoded(path)
    data = path.read_bytes()
    begin = data.index(bytes.fromhex(TRACKS), data.index(bytes.fromhex(TRACKS)) + 4)  # the index in front names it
    size, inside = number(data, begin + 4)
    end = inside + size
    first = after_checksum(data, inside)
    assert data[first : first + 1] == bytes.fromhex(ENTRY)
    entry_size, entry = number(data, first + 1)
    entries = element(ENTRY, data[entry : entry + entry_size] + said) + data[entry + entry_size : end]
    path.write_bytes(data[:begin] + element(TRACKS, entries) + data[end:])
    with pytest.raises(BadMedia, match="encrypted") as refused:
        decoded(path)
    assert refused.value.code == "encrypted"
