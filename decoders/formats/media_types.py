"""The media type of footage by its first bytes, for whoever sends it to a browser (pure)."""

from decoders.formats.ebml import within
from decoders.formats.sniff import Sort, sniff

OTHER = "application/octet-stream"
"""What no browser shows or runs."""
_EBML, _DOCTYPE = 0x1A45DFA3, 0x4282
_BY_NAME = {
    "Ogg": "video/ogg",
    "an MPEG transport stream": "video/mp2t",
    "AVI": "video/x-msvideo",
    "MXF": "application/mxf",
}


def media_type(head: bytes) -> str:
    """Of a file that begins so: of a list of types of footage, else `OTHER`. What a file says of itself beyond its
    container does not count.
    """
    guess = sniff(head)
    if guess.sort is not Sort.FOOTAGE:
        return OTHER
    if guess.name == "MP4 or MOV":
        return "video/mp4" if head[4:8] == b"ftyp" and head[8:12] != b"qt  " else "video/quicktime"
    if guess.name == "Matroska or WebM":
        kinds = list(within(head, (_EBML, _DOCTYPE)))
        return "video/webm" if kinds[:1] == [b"webm"] else "video/x-matroska"
    return _BY_NAME.get(guess.name, OTHER)
