"""Poster and sprites: pictures of the film as an ordinary screen shows them, upright and in square pixels."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from PIL import Image

from stream.media.package.vast import clock
from stream.media.transcode.facts import Facts
from stream.media.transcode.hdr import write_table
from stream.media.transcode.pictures import Range, pictures
from stream.media.transcode.settings import Transcoding
from stream.media.transcode.target import PQ, TargetPictures, target_of

MAX_SPRITES = 100
_COLUMNS = 10
_QUALITY = 85
_SHOWN_AS = Transcoding(profile="mezzanine", colours="sdr", sound=None)


def poster(source: Path, facts: Facts, at_s: float | None, path: Path, scratch: Path) -> None:
    place = facts.frames // 10 if at_s is None else min(facts.frames - 1, int(at_s * Fraction(facts.rate)))
    target = _target(facts, None)
    with _table(facts, target, scratch) as table:
        _still(source, facts, target, place, table).save(path, "JPEG", quality=_QUALITY)


def sprites(
    source: Path,
    facts: Facts,
    every_s: float,
    width: int,
    paths: tuple[Path, Path],
    scratch: Path,
    report: Callable[[float], None],
) -> None:
    """`paths`: the sheet, and its WebVTT with a cue for each sprite (`#xywh`, W3C Media Fragments)."""
    steps = max(1, math.ceil(every_s * Fraction(facts.rate)), math.ceil(facts.frames / MAX_SPRITES))
    places = range(0, facts.frames, steps)
    target = _target(facts, width)
    columns = min(_COLUMNS, len(places))
    sheet = Image.new("RGB", (columns * target.width, math.ceil(len(places) / columns) * target.height))
    cues = ["WEBVTT", ""]
    with _table(facts, target, scratch) as table:
        for number, place in enumerate(places):
            left, top = number % columns * target.width, number // columns * target.height
            sheet.paste(_still(source, facts, target, place, table), (left, top))
            begin, end = (min(frame, facts.frames) * facts.frame_s for frame in (place, place + steps))
            cues += [
                f"{clock(begin)} --> {clock(end)}",
                f"{paths[0].name}#xywh={left},{top},{target.width},{target.height}",
            ]
            cues.append("")
            report(number / len(places))
    sheet.save(paths[0], "JPEG", quality=_QUALITY)
    paths[1].write_text("\n".join(cues), encoding="ascii")


def _target(facts: Facts, width: int | None) -> TargetPictures:
    """RGB of full range in the size of the film, or of a given width."""
    full = target_of(_SHOWN_AS, replace(facts, aspect="1") if Fraction(facts.aspect) <= 0 else facts)
    shape = Fraction(facts.aspect) if Fraction(facts.aspect) > 0 else Fraction(1)
    shape = 1 / shape if facts.orientation & 4 else shape
    across, down = full.width * shape, Fraction(full.height)
    scale = Fraction(1) if width is None else width / across
    size = max(1, round(across * scale)), max(1, round(down * scale))
    return replace(
        full,
        width=size[0],
        height=size[1],
        scaled=size,
        crop=size,
        place=(0, 0),
        pixel_format="rgb24",
        matrix=0,
        range=2,
    )


@contextmanager
def _table(facts: Facts, target: TargetPictures, scratch: Path) -> Iterator[Path | None]:
    if not target.tone_mapped:
        yield None
        return
    path = scratch / "hdr.cube"
    write_table(path, "pq" if facts.colours[2] == PQ else "hlg")
    try:
        yield path
    finally:
        path.unlink()


def _still(source: Path, facts: Facts, target: TargetPictures, place: int, table: Path | None) -> Image.Image:
    frame = next(pictures(source, facts, target, Range(place, 1), table))
    return Image.fromarray(frame.to_ndarray())
