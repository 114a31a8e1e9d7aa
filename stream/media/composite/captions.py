"""WebVTT (W3C) files as cues: times and words. Positions, regions, styles and voices are read over."""

import html
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stream.errors import BadMedia
from stream.files import read_small

MAX_BYTES = 1 << 20
MAX_CUES = 10_000
MAX_CUE_TEXT = 1_000
MAX_AT_ONCE = 4
_TIME = re.compile(r"(?:(\d{2,6}):)?([0-5]\d):([0-5]\d)\.(\d{3})")
_TAG = re.compile(r"<[^<>]*>")
MAX_CUE_WRITTEN = 4_000


@dataclass(frozen=True, slots=True)
class Cue:
    start_ms: int
    end_ms: int
    text: str


def cues_of(path: Path, name: str) -> tuple[Cue, ...]:
    """The cues of a file in order of their start. Raises `BadMedia` (`bad_captions`) with the line that is wrong."""
    try:
        text = read_small(path, most_bytes=MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise _bad(name, f"it cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _bad(name, "it is not UTF-8 text") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not re.match(r"WEBVTT([ \t]|$)", lines[0]):
        raise _bad(name, "it does not begin with WEBVTT; other formats of captions are not read")
    cues = tuple(sorted(_cues(lines, name), key=lambda cue: (cue.start_ms, cue.end_ms)))
    if len(cues) > MAX_CUES:
        raise _bad(name, f"it has more than {MAX_CUES} cues")
    return cues


def written_captions(path: Path, name: str) -> bytes:
    """A file as players take it beside a film: as it is, without a byte order mark and with line ends of one kind.
    Raises as `cues_of`, which has read it.
    """
    cues_of(path, name)
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode()


class CueReader:
    """What is shown at times that never go back; cues that overlap stand below each other."""

    def __init__(self, cues: tuple[Cue, ...], name: str) -> None:
        self._waiting = deque(cues)
        self._name = name
        self._shown: list[Cue] = []

    def at(self, time_ms: float) -> str:
        """Raises `BadMedia` (`bad_captions`) where too many are shown at once."""
        while self._waiting and self._waiting[0].start_ms <= time_ms:
            self._shown.append(self._waiting.popleft())
        self._shown = [cue for cue in self._shown if time_ms < cue.end_ms]
        if len(self._shown) > MAX_AT_ONCE:
            raise _bad(self._name, f"more than {MAX_AT_ONCE} cues are shown at {time_ms / 1000:.3f} s")
        return "\n".join(cue.text for cue in self._shown)


def _cues(lines: list[str], name: str) -> Iterator[Cue]:
    index = 0
    while index < len(lines):
        if "-->" not in lines[index]:
            index += 1
            continue
        start, end = _times(lines[index], name, index + 1)
        # A cue ends at an empty line.
        last = next((at for at in range(index + 1, len(lines)) if not lines[at].strip()), len(lines))
        written = "\n".join(lines[index + 1 : last])
        # Before it is read: Python makes no number of more than 4,300 digits of `&#1111…;`.
        if len(written) > MAX_CUE_WRITTEN:
            raise _bad(name, f"line {index + 1}: the cue has more than {MAX_CUE_WRITTEN} characters with its tags")
        text = html.unescape(_TAG.sub("", written)).strip()
        if len(text) > MAX_CUE_TEXT:
            raise _bad(name, f"line {index + 1}: the cue has more than {MAX_CUE_TEXT} characters")
        if text:
            yield Cue(start, end, text)
        index = last + 1


def _times(line: str, name: str, number: int) -> tuple[int, int]:
    before, _, after = line.partition("-->")
    words = after.split()
    found = _TIME.fullmatch(before.strip()), _TIME.fullmatch(words[0] if words else "")
    if found[0] is None or found[1] is None:
        raise _bad(name, f"line {number}: times are written as 00:01.500 --> 00:04.000")
    start, end = _milliseconds(found[0]), _milliseconds(found[1])
    if end <= start:
        raise _bad(name, f"line {number}: the cue ends before it begins")
    return start, end


def _milliseconds(match: re.Match[str]) -> int:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def _bad(name: str, problem: str) -> BadMedia:
    return BadMedia(f"the captions {name!r} cannot be used: {problem}", code="bad_captions")
