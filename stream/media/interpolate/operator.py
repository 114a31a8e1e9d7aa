"""The media operator `interpolate`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import av
import numpy as np
from pydantic import Field, field_validator

from stream.errors import BadMedia
from stream.media.checking import invalid
from stream.media.frames import lossless
from stream.media.frames.checking import FilmSettings, checked
from stream.media.frames.cuts import SIDE, is_cut
from stream.media.frames.film import Film, Pixels, known_facts, parts_of, plain_film, planes_of, range_of
from stream.media.frames.motion import Greys, grey, versions
from stream.media.frames.toolchain import libraries
from stream.media.interpolate.between import Middle, Neighbours
from stream.media.numbers import exact_rate
from stream.media.protocol import Part, Settings, Task
from stream.media.transcode.facts import Facts
from stream.media.transcode.pictures import Range
from stream.media.transcode.settings import MAX_RATE

MAX_PIXELS = 4096 * 2304
_PART_PIXELS = 25_000_000
_MOST_FACTOR = 8


class InterpolateSettings(FilmSettings):
    """`factor`: by how much the number of pictures grows, or `fps`: pictures a second of the result, as a number or a
    fraction such as 60000/1001. One of the two; without either, the number is doubled.
    """

    factor: Annotated[int, Field(ge=2, le=_MOST_FACTOR)] | None = None
    fps: str | None = None

    @field_validator("fps", mode="before")
    @classmethod
    def _fraction(cls, value: object) -> str | None:
        if value is None:
            return None
        wanted = f"give a number of 1 to {MAX_RATE} such as 50, or a fraction such as 60000/1001"
        rate = exact_rate(value)
        if rate is None or not 1 <= rate <= MAX_RATE or rate.denominator > 1001:
            raise ValueError(wanted)
        return str(rate)


@dataclass(frozen=True)
class _Shown:
    """A picture of the source."""

    planes: list[Pixels]
    bits: int

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "_Shown":
        return cls(planes_of(frame), frame.format.components[0].bits)

    @cached_property
    def grey(self) -> Greys:
        return grey(self.planes[0], self.bits)

    @cached_property
    def small(self) -> Greys:
        return grey(self.planes[0], self.bits, SIDE)

    def same(self, other: "_Shown") -> bool:
        return all(np.array_equal(*pair) for pair in zip(self.planes, other.planes, strict=True))


class Interpolate:
    """Settings: `InterpolateSettings`. A film to `picture.mkv` (FFV1 in the source's pixels, the sound as it was).

    Picture k is shown at k / rate. The source's own pictures are in it unchanged wherever their times meet. Between
    pictures of two shots (`frames.cuts`) the nearer one is held, and the last one to the end. Implements
    `MediaOperator`.
    """

    version: ClassVar[int] = 1

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        asked = checked(InterpolateSettings, settings, inputs)
        if asked.factor is not None and asked.fps is not None:
            raise invalid("fps", "give factor or fps, not both")
        if asked.factor is None and asked.fps is None:
            asked = asked.model_copy(update={"factor": 2})
        return asked.model_dump(mode="json")

    def outputs(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return {lossless.PICTURE: "video/x-matroska"}

    def toolchain(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return libraries() | versions()

    def divide(self, task: Task) -> Sequence[Part]:
        film = _film(task)
        lossless.check_sound(film.path)
        pixels = film.target.width * film.target.height
        step = _read(task.settings).step(_PART_PIXELS // pixels)
        return parts_of(film.facts, _result(task, film).frames, step)

    def render(self, task: Task) -> None:
        assert task.part is not None, "`divide` always gives parts"
        film, wanted = _film(task), range_of(task.part)
        result = _result(task, film)
        made = _made(film, Fraction(result.rate), wanted, task.report)
        lossless.write_part(task.folder / lossless.PICTURE, result, film.target, made)

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        film = _film(task)
        files = [part / lossless.PICTURE for part in parts]
        path = task.folder / lossless.PICTURE
        lossless.join(path, _result(task, film), film.target, files, film.path, task.report)


def _made(film: Film, rate: Fraction, wanted: Range, report: Callable[[float], None]) -> Iterator[list[Pixels]]:
    """The planes of each picture of a range of the result."""
    step = Fraction(film.facts.rate) / rate
    last = film.facts.frames - 1
    start = min(last, int(wanted.first * step))
    stop = min(last, int((wanted.end - 1) * step) + 1)
    source = (_Shown.of(frame) for frame in film.pictures(Range(start, stop - start + 1)))
    place, earlier, later = start, next(source), next(source, None)
    pair: _Pair | None = None
    for number in range(wanted.first, wanted.end):
        report((number - wanted.first) / wanted.frames)
        position = min(Fraction(last), number * step)
        while int(position) > place:
            assert later is not None, "the range ends with it"
            place, earlier, later, pair = place + 1, later, next(source, None), None
        share = position - place
        if not share or later is None:
            yield earlier.planes
            continue
        pair = pair or _Pair(earlier, later)
        yield pair.at(float(share))


class _Pair:
    """Two neighbours of the source."""

    def __init__(self, earlier: _Shown, later: _Shown) -> None:
        self._earlier, self._later = earlier, later
        self._held = earlier.same(later) or is_cut(earlier.small, later.small)
        self._found = None if self._held else Neighbours.of(earlier.grey, later.grey)

    def at(self, share: float) -> list[Pixels]:
        if self._found is None:
            return self._earlier.planes if share <= 0.5 else self._later.planes
        return Middle.of(self._found, share).planes(self._earlier.planes, self._later.planes, self._earlier.bits)


def _film(task: Task) -> Film:
    path = task.inputs[_read(task.settings).input]
    film = plain_film(path, known_facts(path, task.part))
    width, height = film.target.width, film.target.height
    if width * height > MAX_PIXELS:
        raise BadMedia(
            f"pictures of {width}x{height} are too large to be interpolated: at most {MAX_PIXELS:,} pixels",
            code="too_many_pixels",
        )
    return film


def _result(task: Task, film: Film) -> Facts:
    """Of the result: its rate and number of pictures. A time code counts the source's pictures, and is left out."""
    settings = _read(task.settings)
    source = Fraction(film.facts.rate)
    rate = Fraction(settings.fps) if settings.fps is not None else source * (settings.factor or 2)
    if rate > MAX_RATE:
        raise BadMedia(
            f"{float(source):g} pictures a second become {float(rate):g}; at most {MAX_RATE}: give a smaller factor",
            code="unsupported_size",
        )
    frames = max(1, round(film.facts.frames * rate / source))
    return replace(film.facts, rate=str(rate), frames=frames, time_code="")


def _read(settings: Settings) -> InterpolateSettings:
    return InterpolateSettings.model_validate(dict(settings))
