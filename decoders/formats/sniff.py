"""Recognises a file by its first bytes (pure). A folder walk uses it to choose files, and refusals quote it.

It rejects nothing that could be decoded: everything that may be footage goes to FFmpeg, which reads all of it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from decoders.formats.elementary import elementary_stream
from decoders.formats.stills import picture

SNIFF_BYTES = 64 * 1024
"""Enough for every mark below. The farthest, that of a disc image, is at 32 KiB."""

FAR_BYTES = 4 << 20
"""The longest picture of an MJPEG stream. Only the bytes after the first picture show that another one follows."""


class Sort(StrEnum):
    """Kinds of files. All files of one kind are treated alike."""

    FOOTAGE = "footage"
    UNREADABLE = "footage in a form that is not read"
    PICTURE = "pictures"
    SOUND = "sound"
    SUBTITLES = "subtitles"
    PLAYLIST = "playlists"
    ARCHIVE = "archives and disc images"
    DOCUMENT = "text, documents and project files"
    PROGRAM = "programs and databases"
    UNKNOWN = "other files"


ADVICE = {
    Sort.UNREADABLE: "convert it to MP4, MOV or Matroska first",
    Sort.PICTURE: "publish films; a picture has no timeline",
    Sort.SOUND: "publish the film that it belongs to",
    Sort.SUBTITLES: "publish the film that they belong to",
    Sort.PLAYLIST: "it names other files, and rushes does not open them: publish those files",
    Sort.ARCHIVE: "unpack it and publish the files in it",
    Sort.DOCUMENT: "publish the footage itself",
    Sort.PROGRAM: "publish the footage itself",
}


@dataclass(frozen=True, slots=True)
class Guess:
    """`name` completes a sentence such as "this is a PDF document". `demuxer` is the only demuxer that may read the
    file (a stream without a container, an animated picture); empty for containers. `moves`: an animated picture that is
    not supported.
    """

    sort: Sort
    name: str = ""
    demuxer: str = ""
    moves: bool = False

    @property
    def refusal(self) -> str:
        """The message for the person who published the file: what it is and what to do."""
        advice = ADVICE[Sort.UNREADABLE] if self.moves else ADVICE[self.sort]
        return f"this is {self.name}; {advice}"


UNKNOWN = Guess(Sort.UNKNOWN)

_BRANDS = {
    b"M4A ": Guess(Sort.SOUND, "sound (MPEG-4)"),
    b"M4B ": Guess(Sort.SOUND, "sound (MPEG-4)"),
    b"M4P ": Guess(Sort.SOUND, "sound (MPEG-4)"),
    b"heic": Guess(Sort.PICTURE, "a still picture (HEIC)"),
    b"heix": Guess(Sort.PICTURE, "a still picture (HEIC)"),
    b"mif1": Guess(Sort.PICTURE, "a still picture (HEIF)"),
    b"avif": Guess(Sort.PICTURE, "a still picture (AVIF)"),
    b"crx ": Guess(Sort.PICTURE, "a still picture (Canon raw)"),
    b"jp2 ": Guess(Sort.PICTURE, "a still picture (JPEG 2000)"),
}
_MOVIE_BOXES = frozenset((b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx"))

_MARKS: tuple[tuple[int, bytes, Sort, str], ...] = (
    (0, b"\x1a\x45\xdf\xa3", Sort.FOOTAGE, "Matroska or WebM"),
    (0, b"FLV\x01", Sort.FOOTAGE, "FLV"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Sort.FOOTAGE, "ASF"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", Sort.FOOTAGE, "MXF"),
    (0, b"DKIF", Sort.FOOTAGE, "IVF"),
    (0, b"YUV4MPEG2 ", Sort.FOOTAGE, "YUV4MPEG2"),
    (0, b"nut/multimedia container", Sort.FOOTAGE, "NUT"),
    (0, b".RMF", Sort.FOOTAGE, "RealMedia"),
    (0, b"\x00\x00\x00\x00\x01\xbc", Sort.FOOTAGE, "GXF"),
    (0, b"\x1f\x07\x00", Sort.FOOTAGE, "DV"),
    (8, b"AVI ", Sort.FOOTAGE, "AVI"),
    (8, b"CDXA", Sort.FOOTAGE, "a Video CD track"),
    (0, b"DHAV", Sort.UNREADABLE, "a recording of a Dahua camera (DHAV)"),
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11", Sort.UNREADABLE, "a Windows TV recording (WTV)"),
    (0, b"\xf5\x46\x7a\xbd", Sort.UNREADABLE, "a TiVo recording"),
    (4, b"RED1", Sort.UNREADABLE, "RED raw footage (R3D)"),
    (4, b"RED2", Sort.UNREADABLE, "RED raw footage (R3D)"),
    (0, b"MLVI", Sort.UNREADABLE, "Magic Lantern raw footage (MLV)"),
    (0, b"ARRI", Sort.UNREADABLE, "ARRI raw footage"),
    (0, b"BBCD", Sort.UNREADABLE, "a Dirac stream without a container"),
    (0, b"NSV", Sort.UNREADABLE, "a Nullsoft stream (NSV)"),
    (0, b"FWS", Sort.UNREADABLE, "a Flash animation (SWF)"),
    (0, b"CWS", Sort.UNREADABLE, "a Flash animation (SWF)"),
    (0, b"ZWS", Sort.UNREADABLE, "a Flash animation (SWF)"),
    (0, b"BIK", Sort.UNREADABLE, "a Bink film"),
    (0, b"SMK2", Sort.UNREADABLE, "a Smacker film"),
    (8, b"WAVE", Sort.SOUND, "sound (WAV)"),
    (0, b"ID3", Sort.SOUND, "sound (MP3)"),
    (0, b"fLaC", Sort.SOUND, "sound (FLAC)"),
    (8, b"AIFF", Sort.SOUND, "sound (AIFF)"),
    (8, b"AIFC", Sort.SOUND, "sound (AIFF)"),
    (0, b"#!AMR", Sort.SOUND, "sound (AMR)"),
    (0, b"caff", Sort.SOUND, "sound (CAF)"),
    (0, b"wvpk", Sort.SOUND, "sound (WavPack)"),
    (0, b"MAC ", Sort.SOUND, "sound (Monkey's Audio)"),
    (0, b"MThd", Sort.SOUND, "music notes (MIDI)"),
    (0, b"riff\x2e\x91\xcf\x11", Sort.SOUND, "sound (Wave64)"),
    (0, b".ra\xfd", Sort.SOUND, "sound (RealAudio)"),
    (1080, b"M.K.", Sort.SOUND, "a music module"),
    (0, b"PK\x03\x04", Sort.ARCHIVE, "a ZIP archive or an office document"),
    (0, b"Rar!", Sort.ARCHIVE, "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", Sort.ARCHIVE, "a 7z archive"),
    (0, b"\x1f\x8b\x08", Sort.ARCHIVE, "a gzip archive"),
    (0, b"BZh", Sort.ARCHIVE, "a bzip2 archive"),
    (0, b"\xfd7zXZ", Sort.ARCHIVE, "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", Sort.ARCHIVE, "a zstd archive"),
    (257, b"ustar", Sort.ARCHIVE, "a tar archive"),
    (32769, b"CD001", Sort.ARCHIVE, "a disc image (ISO)"),
    (0, b"%PDF", Sort.DOCUMENT, "a PDF document"),
    (0, b"{\\rtf", Sort.DOCUMENT, "a text document (RTF)"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Sort.DOCUMENT, "an office document"),
    (0, b"\x00\x05\x16\x07", Sort.DOCUMENT, "what macOS keeps beside a file (AppleDouble)"),
    (0, b"DVDVIDEO-V", Sort.DOCUMENT, "the index of a DVD"),
    (0, b"MPLS0", Sort.DOCUMENT, "the index of a Blu-ray disc or a camera card"),
    (0, b"HDMV0", Sort.DOCUMENT, "the index of a Blu-ray disc or a camera card"),
    (0, b"INDX0", Sort.DOCUMENT, "the index of a Blu-ray disc or a camera card"),
    (0, b"MOBJ0", Sort.DOCUMENT, "the index of a Blu-ray disc or a camera card"),
    (0, b"RIFX", Sort.DOCUMENT, "a project file"),
    (0, b"BLENDER", Sort.DOCUMENT, "a Blender project"),
    (0, b"\x7fELF", Sort.PROGRAM, "a program"),
    (0, b"MZ", Sort.PROGRAM, "a program"),
    (0, b"SQLite format 3", Sort.PROGRAM, "a database"),
)

_TEXTS: tuple[tuple[bytes, Sort, str], ...] = (
    (rb"#EXTM3U", Sort.PLAYLIST, "a playlist (M3U)"),
    (rb"ffconcat version", Sort.PLAYLIST, "a list of files (ffconcat)"),
    (rb"\[playlist\]", Sort.PLAYLIST, "a playlist (PLS)"),
    (rb"(?s:.{0,2000})<(MPD|asx|smil|playlist|SmoothStreamingMedia)\b", Sort.PLAYLIST, "a playlist or manifest"),
    (rb"v=0\r?\no=", Sort.PLAYLIST, "a session description (SDP)"),
    (rb"WEBVTT", Sort.SUBTITLES, "subtitles (WebVTT)"),
    (rb"\d+\r?\n\d\d:\d\d:\d\d[,.]\d", Sort.SUBTITLES, "subtitles (SubRip)"),
    (rb"\[Script Info\]", Sort.SUBTITLES, "subtitles (ASS)"),
    (rb"(?s:.{0,2000})<svg\b", Sort.PICTURE, "a drawing (SVG)"),
    (rb"", Sort.DOCUMENT, "a text file"),
)
_TEXT_PATTERNS = tuple((re.compile(pattern), Guess(sort, name)) for pattern, sort, name in _TEXTS)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MOVING_OGG = (b"\x80theora", b"BBCD\x00", b"OVP80", b"\x01video\x00\x00")
_VIDEO_TRACK = re.compile(rb"\x86.V_")


def sniff(head: bytes) -> Guess:
    """Recognises a file by its first `SNIFF_BYTES`, or all of it where it is shorter."""
    # The order matters: long marks first, then patterns with several hits, then two-byte sync words, then any text.
    for judge in (_marked, picture_guess, _movie, _ogg, _stream, _packets, _sound_frames, _text):
        guess = judge(head)
        if guess is not None:
            return guess
    return UNKNOWN


def reaches_far(head: bytes) -> bool:
    """Whether another `FAR_BYTES` could change the result."""
    return len(head) == SNIFF_BYTES and head.startswith(b"\xff\xd8\xff")


def picture_guess(head: bytes) -> Guess | None:
    """Recognises still and animated pictures; None for others."""
    found = picture(head)
    if found is None:
        return None
    return Guess(Sort.FOOTAGE if found.demuxer else Sort.PICTURE, found.name, found.demuxer, moves=found.moves)


def _marked(head: bytes) -> Guess | None:
    for offset, mark, sort, name in _MARKS:
        # Marks at byte 8 are form types. They count only inside a RIFF, RF64 or FORM chunk.
        if head.startswith(mark, offset) and (offset != 8 or head[:4] in (b"RIFF", b"RF64", b"FORM")):
            short = sort is Sort.UNREADABLE and not _NOT_TEXT.search(head)  # a text file may begin with such a word
            return None if short else Guess(sort, name)
    return None


def _movie(head: bytes) -> Guess | None:
    """Recognises MP4, MOV and similar files by their first box, which usually states the brand."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], Guess(Sort.FOOTAGE, "MP4 or MOV"))
    return Guess(Sort.FOOTAGE, "MP4 or MOV") if head[4:8] in _MOVIE_BOXES else None


def _ogg(head: bytes) -> Guess | None:
    """Recognises Ogg. The first pages declare every stream (RFC 3533), so they show whether there is video."""
    if not head.startswith(b"OggS"):
        return None
    moving = any(mark in head for mark in _MOVING_OGG)
    return Guess(Sort.FOOTAGE, "Ogg") if moving else Guess(Sort.SOUND, "sound (Ogg)")


def _stream(head: bytes) -> Guess | None:
    found = elementary_stream(head)
    if found is None:
        return None
    return Guess(Sort.FOOTAGE if found.readable else Sort.UNREADABLE, found.name, found.demuxer)


def _packets(head: bytes) -> Guess | None:
    """Recognises MPEG transport streams: 0x47 every 188 bytes, 192 on Blu-ray and in cameras, 204 from broadcast."""
    for size in (188, 192, 204):
        # Three sync bytes in a row at least: one or two are found in any data.
        count = min(8, len(head) // size)
        for start in range(size if count >= 3 else 0):
            places = range(start, len(head), size)[:count]
            if len(places) >= 3 and all(head[place] == 0x47 for place in places):
                return Guess(Sort.FOOTAGE, "an MPEG transport stream")
    return None


def _sound_frames(head: bytes) -> Guess | None:
    """Recognises MP3, AAC and AC-3, which begin with only a sync word."""
    if head[:2] == b"\x0b\x77":
        return Guess(Sort.SOUND, "sound (AC-3)")
    # Version and bit rate must be legal as well: the sync bits alone begin other files too.
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x18 != 0x08 and head[2] >> 4 != 15:
        return Guess(Sort.SOUND, "sound (MP3 or AAC)")
    return None


def _text(head: bytes) -> Guess | None:
    marked = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    # UTF-16 has zero bytes, so `_NOT_TEXT` would take it as binary.
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Guess(Sort.DOCUMENT, "a text file")
    if not marked or _NOT_TEXT.search(head):
        return None
    return next(guess for pattern, guess in _TEXT_PATTERNS if pattern.match(marked))
