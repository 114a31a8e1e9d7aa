"""What the peers are given: 1080p films in two codecs, with short and long groups of pictures, and many short clips."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.footage import HD_FACTS, SHORT_S, hd_clip, hd_film

FILMS = 4
CLIPS = "clips"
_CODECS = (("libx264", "H.264"), ("libx265", "H.265"))
_GROUPS_S = (2, 10)
NAMES = (
    f"{_CODECS[0][1]}, 2 s, key frames",
    *(f"{name}, {group_s} s" for _, name in _CODECS for group_s in _GROUPS_S),
    CLIPS,
)


@dataclass(frozen=True, slots=True)
class Size:
    """Seconds of each of the `FILMS` films of a workload, and how many clips."""

    film_s: int
    clips: int


QUICK = Size(film_s=20, clips=6)
REDUCED = Size(film_s=60, clips=40)
WHOLE = Size(film_s=450, clips=2000)


@dataclass(frozen=True, slots=True)
class Workload:
    """`everything`: rushes also runs with all that it looks for."""

    name: str
    facts: str
    profile: str
    files: tuple[Path, ...]
    video_s: float
    everything: bool = False


def workloads(size: Size, folder: Path) -> Iterator[Workload]:
    """Links to footage that is made once. Each is one asset of its own to everybody."""
    for codec, name in _CODECS:
        for group_s in _GROUPS_S:
            files = tuple(_linked(hd_film(codec, group_s, size.film_s), folder / f"{codec}-{group_s}", FILMS))
            facts = f"{FILMS} files of {size.film_s} s, {name}, groups of {group_s} s"
            first = codec == "libx264" and group_s == 2
            kind = f"{name}, {group_s} s"
            yield Workload(kind, facts, "full", files, FILMS * size.film_s, everything=first)
            if first:
                yield Workload(f"{kind}, key frames", f"{facts}, key frames alone", "fast", files, FILMS * size.film_s)
    clips = tuple(_linked(hd_clip(SHORT_S), folder / "clips", size.clips))
    facts = f"{size.clips} clips of {SHORT_S} s, {HD_FACTS}"
    yield Workload(CLIPS, facts, "full", clips, SHORT_S * size.clips)


def _linked(clip: Path, folder: Path, count: int) -> Iterator[Path]:
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:04}.mp4"
        os.link(clip, path)
        yield path
