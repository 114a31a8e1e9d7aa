"""Font files: which characters they have, and the ones that come with packages. Files of a job are hostile.

The character map is read here (OpenType 1.9, `cmap` formats 4 and 12), because FreeType draws a box for what is missing
and does not say so.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata, resources
from pathlib import Path

from stream.errors import BadMedia, Unavailable
from stream.files import read_small

MAX_FONT_BYTES = 64 << 20
_MAX_GROUPS = 65_536
_KINDS = (b"\x00\x01\x00\x00", b"OTTO", b"true")
_PACKAGE_FONTS = {
    "justmytype_western_core": ("notosans/NotoSans[wdth,wght].ttf",),
    "justmytype_intl_rtl": (
        "notosansarabic/NotoSansArabic[wdth,wght].ttf",
        "notosanshebrew/NotoSansHebrew[wdth,wght].ttf",
    ),
    "justmytype_intl_south_asia": (
        "notosansdevanagari/NotoSansDevanagari[wdth,wght].ttf",
        "notosansbengali/NotoSansBengali[wdth,wght].ttf",
        "notosanstamil/NotoSansTamil[wdth,wght].ttf",
        "notosanstelugu/NotoSansTelugu[wdth,wght].ttf",
    ),
    "justmytype_intl_sea": (
        "notosansthai/NotoSansThai[wdth,wght].ttf",
        "notosanslao/NotoSansLao[wdth,wght].ttf",
        "notosanskhmer/NotoSansKhmer[wdth,wght].ttf",
        "notosansmyanmar/NotoSansMyanmar[wdth,wght].ttf",
    ),
    "justmytype_intl_cjk": (
        "notosansjp/NotoSansJP[wght].ttf",
        "notosanskr/NotoSansKR[wght].ttf",
        "notosanssc/NotoSansSC[wght].ttf",
        "notosanstc/NotoSansTC[wght].ttf",
    ),
}
"""Noto Sans (SIL Open Font License 1.1) by package, in order of preference."""
_BY_LANGUAGE = {
    "ja": "NotoSansJP", "ko": "NotoSansKR", "zh": "NotoSansSC",
    "zh-hant": "NotoSansTC", "zh-tw": "NotoSansTC", "zh-hk": "NotoSansTC",
    "hi": "NotoSansDevanagari", "mr": "NotoSansDevanagari", "ne": "NotoSansDevanagari",
}  # fmt: skip
"""One code point is drawn in different ways: Chinese, Japanese and Korean share theirs."""


@dataclass(frozen=True, slots=True)
class FontFile:
    """A font that was read and found sound so far. `name` is what messages call it."""

    name: str
    path: Path
    ranges: tuple[tuple[int, int], ...]
    """First and last code point of each run of characters, in order."""

    def has(self, character: str) -> bool:
        point = ord(character)
        return any(first <= point <= last for first, last in self.ranges)


def package_fonts(language: str) -> Iterator[FontFile]:
    """The fonts of the packages, that of the language first; each is read when it is asked for. Raises `Unavailable`
    (`toolchain_lacks`).
    """
    wanted = _wanted(language.lower())
    names = [(package, name) for package, names in _PACKAGE_FONTS.items() for name in names]
    for package, name in sorted(names, key=lambda found: _plain_name(found[1]) != wanted):
        yield _package_font(package, name)


@cache
def package_versions() -> Mapping[str, str]:
    """Raises `Unavailable` (`toolchain_lacks`)."""
    # Kept: it is asked for every row of a job and every task, and reading it takes milliseconds.
    versions = {}
    for package in _PACKAGE_FONTS:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            raise _lacking(package) from None
    return versions


def font_file(path: Path, name: str) -> FontFile:
    """Raises `BadMedia` (`bad_font`)."""
    try:
        content = read_small(path, most_bytes=MAX_FONT_BYTES)
    except OSError as error:
        raise _bad(name, f"it cannot be read ({error.strerror})") from None
    try:
        return FontFile(name, path, tuple(_merged(sorted(_character_map(content, name)))))
    except (struct.error, IndexError):
        raise _bad(name, "its tables are cut off") from None


def _wanted(language: str) -> str:
    while language:
        if language in _BY_LANGUAGE:
            return _BY_LANGUAGE[language]
        language = language.rpartition("-")[0]
    return ""


@lru_cache(maxsize=64)
def _package_font(package: str, name: str) -> FontFile:
    try:
        path = Path(str(resources.files(package))) / "fonts" / "ofl" / name
    except ModuleNotFoundError:
        raise _lacking(package) from None
    return font_file(path, _plain_name(name))


def _plain_name(name: str) -> str:
    return name.rpartition("/")[2].partition("[")[0]


def _character_map(content: bytes, name: str) -> Iterator[tuple[int, int]]:
    if content[:4] == b"ttcf":
        raise _bad(name, "it is a collection of fonts; give a file with one font (.ttf or .otf)")
    if content[:4] not in _KINDS:
        raise _bad(name, "it is no TrueType or OpenType font")
    (tables,) = struct.unpack_from(">H", content, 4)
    for index in range(tables):
        tag, _, offset, length = struct.unpack_from(">4sIII", content, 12 + 16 * index)
        if offset + length > len(content):
            raise _bad(name, "its tables are cut off")
        if tag == b"cmap":
            return _mapped(content[offset : offset + length], name)
    raise _bad(name, "it has no table of characters")


def _mapped(table: bytes, name: str) -> Iterator[tuple[int, int]]:
    (count,) = struct.unpack_from(">H", table, 2)
    found = {}
    for index in range(count):
        platform, encoding, offset = struct.unpack_from(">HHI", table, 4 + 8 * index)
        # Unicode, or Windows with Unicode; the others are of legacy code pages.
        if platform == 0 or (platform == 3 and encoding in (1, 10)):
            found[struct.unpack_from(">H", table, offset)[0]] = offset
    if 12 in found:
        return _format_12(table, found[12])
    if 4 in found:
        return _format_4(table, found[4])
    raise _bad(name, "its characters are not named by Unicode")


def _format_12(table: bytes, offset: int) -> Iterator[tuple[int, int]]:
    (groups,) = struct.unpack_from(">I", table, offset + 12)
    # A font has at most 65,535 glyphs, and a group names one at least; a forged table has millions.
    if groups > _MAX_GROUPS:
        raise IndexError
    for index in range(groups):
        first, last, glyph = struct.unpack_from(">III", table, offset + 16 + 12 * index)
        if first <= last <= 0x10FFFF:
            yield first + (glyph == 0), last


def _format_4(table: bytes, offset: int) -> Iterator[tuple[int, int]]:
    (double,) = struct.unpack_from(">H", table, offset + 6)
    count = double // 2
    at = offset + 14
    ends = struct.unpack_from(f">{count}H", table, at)
    starts = struct.unpack_from(f">{count}H", table, at + double + 2)
    deltas = struct.unpack_from(f">{count}H", table, at + 2 * double + 2)
    places = at + 3 * double + 2
    offsets = struct.unpack_from(f">{count}H", table, places)
    points = 0
    for index, (first, last) in enumerate(zip(starts, ends, strict=True)):
        # Segments of a sound font do not overlap; those of a forged one would be read again and again.
        points += max(0, last - first + 1)
        if points > 1 << 17:
            raise IndexError
        if not offsets[index]:
            yield from ((point, point) for point in range(first, last + 1) if (point + deltas[index]) & 0xFFFF)
            continue
        for point in range(first, last + 1):
            place = places + 2 * index + offsets[index] + 2 * (point - first)
            if place + 2 <= len(table) and struct.unpack_from(">H", table, place)[0]:
                yield point, point


def _merged(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start, end = -1, -2
    for first, last in ranges:
        if first > end + 1:
            if end >= start:
                yield start, end
            start, end = first, last
        end = max(end, last)
    if end >= start:
        yield start, end


def _bad(name: str, problem: str) -> BadMedia:
    return BadMedia(f"the font {name!r} cannot be used: {problem}", code="bad_font")


def _lacking(package: str) -> Unavailable:
    return Unavailable(
        f"the fonts of the package {package} are not installed; install rushes with its dependencies",
        code="toolchain_lacks",
    )
