"""Decoded frames to samples and dense pictures: one swscale context per output, rotation in numpy on small planes."""

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from decoders.colour import colour_of, is_rgb, yuv_to_rgb
from decoders.geometry import sample_size
from decoders.interlaced import FieldExtractor
from stream.events.asset import Media
from stream.events.frames import DENSE_HEIGHT, DENSE_WIDTH, Colour

Planes = npt.NDArray[np.uint8]


class Rescaler:
    """Makes the two pictures decode yields of a frame. Keeps the source's matrix and range in samples."""

    def __init__(self, media: Media, short_side: int) -> None:
        turned = media.rotation % 180 != 0
        coded = (media.height, media.width) if turned else (media.width, media.height)
        self.width, self.height = sample_size(coded, (media.display_width, media.display_height), short_side)
        self._turns = -(media.rotation // 90) % 4
        self._sample_size = (self.height, self.width) if turned else (self.width, self.height)
        self._dense_size = (DENSE_HEIGHT, DENSE_WIDTH) if turned else (DENSE_WIDTH, DENSE_HEIGHT)
        self._to_sample = VideoReformatter()
        self._to_dense = VideoReformatter()
        self._fields = FieldExtractor()

    def colour(self, frame: av.VideoFrame) -> Colour:
        return colour_of(frame, frame.format.name)

    def sample(self, frame: av.VideoFrame) -> bytes:
        """Planar 4:2:0 uint8 of `width` x `height`: Y, U, V."""
        small = _scaled(self._to_sample, self._fields.field(frame), self._sample_size, "yuv420p")
        return b"".join(np.rot90(_plane(plane), self._turns).tobytes() for plane in small.planes)

    def dense(self, frame: av.VideoFrame) -> Planes:
        """uint8 [27, 48, 3] RGB. Of an interlaced frame one field: both would show a cut that lies between them as
        half of each shot.
        """
        small = _scaled(self._to_dense, self._fields.field(frame), self._dense_size, "yuv444p")
        rgb = yuv_to_rgb(np.stack([_plane(plane) for plane in small.planes]), self.colour(frame))
        return np.rot90(rgb, self._turns) if self._turns else rgb


def _scaled(reformatter: VideoReformatter, frame: av.VideoFrame, size: tuple[int, int], pix_fmt: str) -> av.VideoFrame:
    if is_rgb(frame.format.name):
        return reformatter.reformat(
            frame,
            *size,
            pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA,
            threads=1,
        )
    return reformatter.reformat(frame, *size, pix_fmt, interpolation=Interpolation.AREA, threads=1)


def _plane(plane: av.video.plane.VideoPlane) -> Planes:
    rows: Planes = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
