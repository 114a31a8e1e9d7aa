"""Where a line of text may end (pure): the parts of Unicode's UAX #14 that running text of advertisements needs.

Breaks are after spaces, hyphens and zero-width spaces, and between ideographs and kana, but not before closing marks or
after opening ones (kinsoku). Thai, Lao, Khmer and Burmese have no spaces between words: they break at spaces and where
the text has zero-width spaces.
"""

# ruff: noqa: RUF001 - the marks of many scripts are meant

from collections.abc import Callable, Iterator

_NOT_FIRST = frozenset(
    "!%),.:;?]}¢°·’†‡›℃∶、。〃〆〕〗〞﹚﹜！＂％＇），．：；？］｝～»”…‥・ー々〻"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ」』】》〉ゝゞヽヾ゠–〜"
)
_NOT_LAST = frozenset("([{£¥$‘“‹«〈《「『【〔〖〝﹙﹛＄（［｛￡￥")
_AFTER = frozenset("-\u2010\u2013\u2014\u200b\u00ad")


def broken(text: str, fits: Callable[[str], bool]) -> list[str] | None:
    """The lines of one paragraph, each as long as it can be. None where a piece that may not be broken does not fit."""
    lines: list[str] = []
    line = ""
    for piece in _pieces(text):
        if fits((line + piece).strip()):
            line += piece
            continue
        if not fits(piece.strip()):
            return None
        lines.append(line.strip())
        line = piece
    return [*lines, line.strip()]


def _pieces(text: str) -> Iterator[str]:
    start = 0
    for index in range(1, len(text)):
        if _may_break(text[index - 1], text[index]):
            yield text[start:index]
            start = index
    yield text[start:]


def _may_break(before: str, after: str) -> bool:
    if after.isspace() or after in _NOT_FIRST or before in _NOT_LAST:
        return False
    if before in {"\u00a0", "\u202f"}:
        return False
    return before.isspace() or before in _AFTER or _breaks_anywhere(before) or _breaks_anywhere(after)


def _breaks_anywhere(character: str) -> bool:
    point = ord(character)
    return (
        0x2E80 <= point <= 0x312F  # radicals, punctuation, kana, bopomofo
        or 0x3190 <= point <= 0xA4CF
        or 0xF900 <= point <= 0xFAFF
        or 0xFF01 <= point <= 0xFF60
        or 0x20000 <= point <= 0x3FFFF
    )
