"""Decoded frames to samples and dense pictures. One swscale context per output; numpy orients the small planes.

What a frame states itself overrides the stream: size, pixel aspect, orientation, colour and fields may change at any
picture (ADR 0031). All samples of a cell have one size; a picture of another shape lies in the middle, on black.
"""

from functools import lru_cache

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from decoders.memory import raise_if_out_of_memory
from decoders.pictures.colour import ColourReading, is_rgb, reading_of, yuv_to_rgb
from decoders.pictures.foreign import foreign_to_rgb
from decoders.pictures.geometry import Box, Orientation, display_size, fitted, sample_size
from decoders.pictures.shape import PixelAspect, Preparation
from stream.errors import BadMedia
from stream.events.asset import Media
from stream.events.frames import DENSE_HEIGHT, DENSE_WIDTH, Colour

Planes = npt.NDArray[np.uint8]


class Rescaler:
    """Makes the two pictures that decoding yields for a frame. Samples keep the source's matrix and range.

    The caller sets `aspect_varies` when the decoder states another pixel aspect than that of the first picture. Raises
    `BadMedia` (`unsupported_pixels`) for pixels that FFmpeg does not convert.
    """

    def __init__(self, media: Media, short_side: int) -> None:
        self._media = media
        self._orientation = Orientation.of(media.rotation, mirrored=media.mirrored)
        self._lasting = self._orientation
        self._coded = cropped(media)
        self._display = media.display_width, media.display_height
        self._aspect = self._orientation.turned(self._display)[0] / self._coded[0]
        self.width, self.height = sample_size(self._orientation.turned(self._coded), self._display, short_side)
        # One for each output: a reformatter keeps one swscale context, and alternating sizes would rebuild it.
        self._to_sample = VideoReformatter()
        self._to_rgb = VideoReformatter()
        self._to_dense = VideoReformatter()
        self._preparation = Preparation()
        self._pixel_aspect = PixelAspect()
        self.aspect_varies = False

    def orientation(self, frame: av.VideoFrame) -> Orientation:
        """The orientation of the next frame; call it for frames in order. It is what the frame states (FFmpeg combines
        container and SEI), else what an earlier frame stated since the last key frame, else that of the first picture.
        """
        stated = stated_orientation(frame)
        if stated is not None or frame.key_frame:
            self._lasting = stated or self._orientation
        return self._lasting

    def colour(self, frame: av.VideoFrame) -> Colour:
        return self._reading(frame).colour

    def sample(self, frame: av.VideoFrame, orientation: Orientation | None = None) -> bytes:
        """Planar 4:2:0 uint8 of `width` x `height`: Y, U, V. `orientation` defaults to the planned one."""
        reading, orientation = self._reading(frame), orientation or self._orientation
        box = self._box(frame, orientation, (self.width, self.height), step=2)
        size = orientation.turned((box.width, box.height))
        small = self._small(self._to_sample, frame, size, "yuv420p", reading)
        planes = [orientation.shown(_plane(plane)) for plane in small.planes]
        if (box.width, box.height) != (self.width, self.height):
            planes = _on_black(planes, box, (self.width, self.height), reading.colour)
        return b"".join(plane.tobytes() for plane in planes)

    def dense(self, frame: av.VideoFrame, orientation: Orientation | None = None) -> Planes:
        """uint8 [27, 48, 3] RGB. An interlaced frame gives one field: with a cut between its fields, both would show
        half of each shot (ADR 0009).
        """
        reading, orientation = self._reading(frame), orientation or self._orientation
        box = self._box(frame, orientation, (DENSE_WIDTH, DENSE_HEIGHT), step=1)
        size = orientation.turned((box.width, box.height))
        if reading.foreign is not None:
            rgb = self._foreign(frame, size, reading)
        else:
            small = self._small(self._to_dense, frame, size, "yuv444p", reading)
            planes = np.concatenate([_plane(plane) for plane in small.planes])
            rgb = yuv_to_rgb(planes.reshape(3, small.height, small.width), reading.colour)
        shown = orientation.shown(rgb)
        if (box.width, box.height) == (DENSE_WIDTH, DENSE_HEIGHT):
            return shown
        canvas = np.zeros((DENSE_HEIGHT, DENSE_WIDTH, 3), np.uint8)
        canvas[box.top : box.top + box.height, box.left : box.left + box.width] = shown
        return canvas

    def _reading(self, frame: av.VideoFrame) -> ColourReading:
        if self._media.dolby_vision is None:
            return reading_of(frame, frame.format.name)
        rpu = "DOVI_METADATA" in (_side_data(frame) or ())
        return reading_of(frame, frame.format.name, dolby_vision=True, rpu=rpu)

    def _box(self, frame: av.VideoFrame, orientation: Orientation, canvas: tuple[int, int], *, step: int) -> Box:
        aspect = self._aspect
        # The look-up costs 50 microseconds a picture, so it waits until the decoder has stated a second aspect.
        if self.aspect_varies:
            own = self._pixel_aspect.of(frame)
            aspect = aspect if abs(own - self._media.coded_aspect) < PixelAspect.NEAR else own
        size = self._coded if self._is_as_planned(frame) else (frame.width, frame.height)
        if size == self._coded and orientation == self._orientation and aspect == self._aspect:
            return Box(0, 0, *canvas)
        return _placed(size, aspect, orientation.rotation, self._display, canvas, step)

    def _is_as_planned(self, frame: av.VideoFrame) -> bool:
        """Whether the frame has the planned size. The container's cropping only applies to pictures of that size."""
        return (frame.width, frame.height) == (self._media.width, self._media.height)

    def _small(
        self,
        reformatter: VideoReformatter,
        frame: av.VideoFrame,
        size: tuple[int, int],
        pix_fmt: str,
        reading: ColourReading,
    ) -> av.VideoFrame:
        if reading.foreign is not None:
            rgb = av.VideoFrame.from_ndarray(self._foreign(frame, size, reading), format="rgb24")
            return _scaled(reformatter, rgb, size, pix_fmt, reading)
        return _scaled(reformatter, self._prepared(frame), size, pix_fmt, reading)

    def _foreign(self, frame: av.VideoFrame, size: tuple[int, int], reading: ColourReading) -> Planes:
        assert reading.foreign is not None
        small = _scaled(self._to_rgb, self._prepared(frame), size, "yuv444p16le", reading)
        planes = np.stack([_plane(plane, 2).view(np.uint16) for plane in small.planes])
        return foreign_to_rgb(planes, reading.foreign, full_range=reading.full_range)

    def _prepared(self, frame: av.VideoFrame) -> av.VideoFrame:
        crop = self._media.crop if self._is_as_planned(frame) else (0, 0, 0, 0)
        return self._preparation.of(frame, crop)


def cropped(media: Media) -> tuple[int, int]:
    """(width, height) of a coded picture after the container's cropping."""
    top, bottom, left, right = media.crop
    return media.width - left - right, media.height - top - bottom


def stated_orientation(frame: av.VideoFrame) -> Orientation | None:
    """The orientation that the frame states, or None. The container's comes with every frame; an SEI message comes only
    with its own frame.
    """
    side_data = _side_data(frame)
    if side_data is None:
        return Orientation.of(-frame.rotation, mirrored=False) if frame.rotation else None
    if not len(side_data):  # true for nearly all frames; a lookup by name costs ten times as much
        return None
    return Orientation.of_matrix(bytes(side_data["DISPLAYMATRIX"])) if "DISPLAYMATRIX" in side_data else None


def _side_data(frame: av.VideoFrame) -> SideDataContainer | None:
    """The frame's side data. None where it has a kind that PyAV does not know, such as EXIF: PyAV then reads none. Not
    `frame.side_data`, which makes a reference cycle: the pixels would stay until the garbage collector runs.
    """
    try:
        return SideDataContainer(frame)  # type: ignore[call-arg]  # the stub omits the constructor's argument
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _placed(
    size: tuple[int, int],
    aspect: float,
    rotation: int,
    display: tuple[int, int],
    canvas: tuple[int, int],
    step: int,
) -> Box:
    return fitted(display_size(*size, aspect, rotation), canvas, display, step=step)


def _on_black(planes: list[Planes], box: Box, size: tuple[int, int], colour: Colour) -> list[Planes]:
    """Lays 4:2:0 planes of the box's size on a black canvas of `size`."""
    laid = []
    # Black is luma 16 in limited range, and neutral chroma is 128.
    for plane, step, black in zip(planes, (1, 2, 2), (0 if colour.full_range else 16, 128, 128), strict=True):
        canvas = np.full((size[1] // step, size[0] // step), black, np.uint8)
        top, left = box.top // step, box.left // step
        canvas[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
        laid.append(canvas)
    return laid


def _scaled(
    reformatter: VideoReformatter, frame: av.VideoFrame, size: tuple[int, int], pix_fmt: str, reading: ColourReading
) -> av.VideoFrame:
    """Scales a frame. Matrix and range stay, but RGB becomes BT.709. Raises `BadMedia` `unsupported_pixels`."""
    tags: dict[str, Colorspace | ColorRange] = {}
    if is_rgb(frame.format.name):
        tags = {"dst_colorspace": Colorspace.ITU709, "dst_color_range": ColorRange.MPEG}
    elif not reading.supported:
        # swscale does not know these tags. It gets the same known tags on both sides, so it converts no colour.
        span = ColorRange.JPEG if reading.full_range else ColorRange.MPEG
        tags = {"src_colorspace": Colorspace.ITU709, "dst_colorspace": Colorspace.ITU709}
        tags |= {"src_color_range": span, "dst_color_range": span}
    try:
        return reformatter.reformat(frame, *size, pix_fmt, interpolation=Interpolation.AREA, threads=1, **tags)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise_if_out_of_memory(error)
        raise BadMedia(
            f"its pictures ({frame.format.name}, {frame.width} x {frame.height}, colour tags {int(frame.colorspace)}/"
            f"{int(frame.color_primaries)}/{int(frame.color_trc)}/{int(frame.color_range)}) cannot be converted; "
            "transcode it, for example to H.264, and publish it again",
            code="unsupported_pixels",
        ) from None


def _plane(plane: av.video.plane.VideoPlane, sample_bytes: int = 1) -> Planes:
    # FFmpeg pads rows for its vector code, so a row in memory is longer than the picture is wide.
    rows: Planes = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width * sample_bytes]
