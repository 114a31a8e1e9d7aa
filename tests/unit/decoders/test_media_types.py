"""The media types under which footage is sent to browsers."""

import pytest

from decoders.formats.media_types import OTHER, media_type

EBML = b"\x1a\x45\xdf\xa3"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\0\0\0\x18ftypisom\0\0\2\0", "video/mp4"),
        (b"\0\0\0\x18ftypqt  \0\0\2\0", "video/quicktime"),
        (b"\0\0\0\x18moov", "video/quicktime"),
        (EBML + b"\x87\x42\x82\x84webm", "video/webm"),
        (EBML + b"\x8b\x42\x82\x88matroska", "video/x-matroska"),
        # A second type within the first does not count, nor does a word anywhere else.
        (EBML + b"\x80webm", "video/x-matroska"),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
        (b"OggS" + b"\0" * 24 + b"\x80theora", "video/ogg"),
        ((b"\x47" + b"\0" * 187) * 3, "video/mp2t"),
        (b"FLV\x01", OTHER),
        (b"\0\0\0\x18ftypavif\0\0\2\0", OTHER),
        (b"<html><script>alert(1)</script></html>", OTHER),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", OTHER),
        (b"%PDF-1.7", OTHER),
        (b"", OTHER),
    ],
)
def test_only_footage_is_sent_as_something_that_a_browser_shows(head: bytes, expected: str) -> None:
    assert media_type(head) == expected
