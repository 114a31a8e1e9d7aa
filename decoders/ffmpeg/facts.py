"""What the plan stage records about a stream's pictures, from the first picture and the container's header."""

from dataclasses import dataclass
from fractions import Fraction

import av

from decoders.ffmpeg.header import header_facts
from decoders.pictures.colour import reading_of
from decoders.pictures.geometry import Orientation, display_size
from decoders.pictures.rescale import stated_orientation
from decoders.pictures.shape import PixelAspect
from stream.events.media import Crop

_WITHOUT_ASPECT = frozenset({"mpegts", "mpeg", "flv", "ogg", "ivf"})
"""Containers that state no pixel aspect. FFmpeg then reports the aspect of any picture that it met while it probed."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """The fields of `Media` with the same names."""

    width: int
    height: int
    display_width: int
    display_height: int
    rotation: int
    mirrored: bool
    crop: Crop
    coded_aspect: float
    dolby_vision: int | None
    pix_fmt: str
    interlaced: bool
    notes: tuple[str, ...]


def picture_facts(container: str, stream: av.VideoStream, head: av.VideoFrame) -> PictureFacts:
    """`container` is the demuxer's name; `head` is the first picture that a plain decode shows."""
    header = header_facts(stream)
    orientation = stated_orientation(head) or Orientation()
    width, height = head.width, head.height
    # The header may claim anything, so its crop is checked against the picture that was really decoded.
    crop = _valid_crop(header.crop, width, height)
    top, bottom, left, right = crop
    coded_aspect = PixelAspect().of(head)
    shown = display_size(
        width - left - right,
        height - top - bottom,
        _aspect(container, stream, coded_aspect),
        orientation.rotation,
    )
    return PictureFacts(
        width=width,
        height=height,
        display_width=shown[0],
        display_height=shown[1],
        rotation=orientation.rotation,
        mirrored=orientation.mirrored,
        crop=crop,
        coded_aspect=coded_aspect,
        dolby_vision=header.dolby_vision,
        pix_fmt=head.format.name,
        interlaced=head.interlaced_frame,
        notes=_notes(head, header.dolby_vision),
    )


def _aspect(container: str, stream: av.VideoStream, coded: float) -> Fraction | float | None:
    stated = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    # A wrong aspect from the probe would stretch every sample, so the first picture decides here.
    if container in _WITHOUT_ASPECT and abs(float(stated or 1) - coded) > PixelAspect.NEAR:
        return coded
    return Fraction(stated) if stated else None


def _valid_crop(crop: Crop, width: int, height: int) -> Crop:
    """The crop, or no crop where it would leave no picture."""
    top, bottom, left, right = crop
    return crop if top + bottom <= height - 2 and left + right <= width - 2 else (0, 0, 0, 0)


def _notes(head: av.VideoFrame, dolby_vision: int | None) -> tuple[str, ...]:
    if dolby_vision is not None:
        note: str | None = (
            f"Dolby Vision profile {dolby_vision}: colours are converted without the metadata of each picture, so they "
            "may differ from the colours of a Dolby Vision player"
        )
    else:
        note = reading_of(head, head.format.name).note
    return () if note is None else (note,)
