"""A film's pictures as arrays: upright, deinterlaced, on a steady grid, in the pixels that an operator works on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias, cast

import av
import numpy as np
import numpy.typing as npt

from stream.errors import BadMedia
from stream.media.protocol import Part
from stream.media.transcode.facts import Facts, facts_of
from stream.media.transcode.pictures import Range, pictures
from stream.media.transcode.settings import Transcoding
from stream.media.transcode.target import HLG, PQ, TargetPictures, has_alpha, target_of

Pixels: TypeAlias = npt.NDArray[Any]
"""[h, w, 3] R'G'B' of full range, uint8 or uint16; or [h, w] or [h, w, 4] of one plane."""

LOSSLESS = Transcoding(profile="mezzanine", colours="keep")
_RGB, _FULL, _WIDE = 0, 2, (9, 10, 14)


@dataclass(frozen=True, slots=True)
class Film:
    """A file, what is known of it, and in which form its pictures come."""

    path: Path
    facts: Facts
    target: TargetPictures

    def pictures(self, wanted: Range) -> Iterator[av.VideoFrame]:
        """Exactly those of a range of the grid. Raises `BadMedia`."""
        return pictures(self.path, self.facts, self.target, wanted, None)

    def rgb(self, wanted: Range) -> Iterator[Pixels]:
        """The pictures of an `rgb_film`."""
        for frame in self.pictures(wanted):
            yield frame.to_ndarray()


def plain_film(path: Path, facts: Facts) -> Film:
    """In the source's own pixels and colours, of any depth, without a loss where FFV1 has them. Pixels that are not
    square become so, as in every delivery: no tag of the lossless file would say what shape they have.
    """
    target = target_of(_square(facts), facts)
    return Film(path, facts, replace(target, interlaced=False, deinterlaced=facts.interlaced))


def _square(facts: Facts) -> Transcoding:
    """The longer way is widened, so that no line is lost."""
    aspect = Fraction(facts.aspect)
    if aspect == 1 or not Fraction(1, 16) < aspect < 16:
        return LOSSLESS
    width, height = (facts.width * aspect, facts.height) if aspect > 1 else (facts.width, facts.height / aspect)
    if facts.orientation & 4:
        width, height = height, width
    sides = {"width": 2 * round(width / 2), "height": 2 * round(height / 2), "fit": "stretch"}
    return LOSSLESS.model_copy(update=sides)


def rgb_film(path: Path, facts: Facts) -> Film:
    """As R'G'B' of 8 bit, or of 16 where the source is deeper. Primaries and transfer stay those of the source.

    Raises `BadMedia`: `unsupported_colours` for HDR and wide gamut, `unsupported_pixels` for transparency.
    """
    _, primaries, transfer, _ = facts.colours
    if transfer in (PQ, HLG) or facts.colours[0] in _WIDE or primaries in _WIDE:
        raise BadMedia(
            f"the film has HDR or wide colours (tags {facts.colours[0]}/{primaries}/{transfer}), which the network was"
            " not trained for: transcode it to SDR first",
            code="unsupported_colours",
        )
    if has_alpha(facts.pixel_format):
        raise BadMedia(
            "the film is transparent in places, which the network does not know: leave the alpha channel out",
            code="unsupported_pixels",
        )
    plain = plain_film(path, facts)
    pixels = "rgb48le" if deep(facts) else "rgb24"
    return replace(plain, target=replace(plain.target, pixel_format=pixels, matrix=_RGB, range=_FULL))


def deep(facts: Facts) -> bool:
    """Whether the source has more than 8 bits."""
    return max(component.bits for component in av.VideoFormat(facts.pixel_format).components) > 8


def written_as(film: Film, width: int, height: int) -> TargetPictures:
    """The form in which pictures of an `rgb_film` are written, in another size."""
    pixels = "gbrp16le" if deep(film.facts) else "bgr0"
    size = (width, height)
    return replace(film.target, width=width, height=height, scaled=size, crop=size, pixel_format=pixels)


def rgb_planes(picture: Pixels) -> list[Pixels]:
    """The planes of `written_as`."""
    if picture.dtype == np.uint16:
        return [picture[..., channel] for channel in (1, 2, 0)]
    # The fourth byte means nothing, and must be the same always.
    return [np.dstack([picture[..., ::-1], np.zeros(picture.shape[:2], np.uint8)])]


def planes_of(frame: av.VideoFrame) -> list[Pixels]:
    """Copies of a frame's planes: [h, w], or [h, w, 4] where pixels are packed."""
    return [_rows(frame, plane).copy() for plane in frame.planes]


def frame_of(planes: list[Pixels], target: TargetPictures) -> av.VideoFrame:
    frame = av.VideoFrame(target.width, target.height, target.pixel_format)
    for plane, values in zip(frame.planes, planes, strict=True):
        _rows(frame, plane)[...] = values
    return frame


def _rows(frame: av.VideoFrame, plane: "av.video.plane.VideoPlane") -> Pixels:
    """A view without the padding of the rows."""
    size = 2 if frame.format.components[0].bits > 8 else 1
    packed = len(frame.planes) == 1 and len(frame.format.components) > 1
    across = plane.width * (4 if packed else 1)
    rows = np.frombuffer(memoryview(plane), f"<u{size}").reshape(plane.height, plane.line_size // size)[:, :across]
    return rows.reshape(plane.height, plane.width, 4) if packed else rows


def parts_of(facts: Facts, frames: int, step: int) -> list[Part]:
    """Ranges of `frames` pictures, of `step` each. They carry the facts, so that no part reads the whole file."""
    known = facts.as_json()
    return [{"first": first, "frames": min(step, frames - first), "facts": known} for first in range(0, frames, step)]


def range_of(part: Part) -> Range:
    return Range(int(cast("int", part["first"])), int(cast("int", part["frames"])))


def known_facts(path: Path, part: Part | None) -> Facts:
    """Those that a part carries, else by reading the file. Raises `BadMedia`."""
    if part is not None:
        return Facts.from_json(cast("Mapping[str, Any]", part["facts"]))
    return facts_of(path, None)
