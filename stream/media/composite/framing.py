"""From one decoded frame to planes of the canvas: upright, cropped, scaled, in BT.709 of limited range (by FFmpeg)."""

from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
import numpy as np
from av.filter import Graph

from stream.errors import BadMedia
from stream.media.composite.canvas import Planes
from stream.media.composite.placement import Fit

_SCALING = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
_TURNS = {90: ("transpose", "clock"), 180: ("hflip", ""), 270: ("transpose", "cclock")}
_GBR, _BT709, _UNSPECIFIED, _BT601 = 0, 1, 2, (5, 6)
_NAMES = {_GBR: "gbr", _BT709: "bt709", 5: "bt470bg", 6: "smpte170m", 4: "fcc", 7: "smpte240m"}
_WIDE = (9, 10, 14)
_HDR = (16, 18)
_FULL = 2
# The convention of players for untagged footage: standard definition is BT.601.
_SD_BELOW_HEIGHT = 720
_TO_LIMITED: Planes = np.stack(
    [np.rint(16 + np.arange(256) * 219 / 255), *[np.rint(128 + (np.arange(256) - 128) * 224 / 255)] * 2]
).astype(np.uint8)
"""Full range to limited range of luma and both chromas. FFmpeg's own conversion is off by up to 1 more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a frame's pixels are meant."""

    width: int
    height: int
    pixels: str
    alpha: bool
    matrix: int
    full_range: bool
    rotation: int
    """Degrees clockwise, to show it upright."""

    @classmethod
    def of(cls, frame: av.VideoFrame, name: str) -> "Reading":
        """Raises `BadMedia` (`unsupported_colours`) for HDR and wide gamut."""
        matrix = int(frame.colorspace)
        if matrix in _WIDE or int(frame.color_trc) in _HDR or int(frame.color_primaries) in (9, 11, 12):
            raise BadMedia(
                f"the footage {name!r} has HDR or wide colours (tags {matrix}/{int(frame.color_primaries)}/"
                f"{int(frame.color_trc)}); layers are composed in SDR BT.709: convert it first",
                code="unsupported_colours",
            )
        pixels = frame.format.name
        if pixels.startswith(("gbr", "rgb", "bgr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2")):
            matrix = _GBR
        elif matrix not in _NAMES or matrix == _GBR:
            matrix = _BT601[0] if frame.height < _SD_BELOW_HEIGHT else _BT709
        full = int(frame.color_range) == _FULL or pixels.startswith("yuvj") or matrix == _GBR
        alpha = any(component.is_alpha for component in frame.format.components)
        return cls(frame.width, frame.height, pixels, alpha, matrix, full, round(-frame.rotation / 90) % 4 * 90)

    def shown(self, pixel_aspect: Fraction) -> tuple[float, float]:
        """Width and height of square pixels, upright."""
        size = (float(self.width * pixel_aspect), float(self.height))
        return (size[1], size[0]) if self.rotation in (90, 270) else size


class Framing:
    """Makes planes of frames of one reading in one fit."""

    def __init__(self, reading: Reading, fit: Fit, name: str) -> None:
        self._reading = reading
        self._name = name
        # The table is exact where only the range differs; another matrix goes through RGB of 16 bits.
        self._by_table = reading.full_range and reading.matrix == _BT709
        self._graph = self._built(reading, fit)

    def planes(self, frame: av.VideoFrame) -> tuple[Planes, Planes | None]:
        """Colours [3, h, w] and alpha [h, w]. Raises `BadMedia` (`unsupported_pixels`)."""
        reading = self._reading
        frame.colorspace = reading.matrix
        frame.color_range = _FULL if reading.full_range else 1
        try:
            self._graph.vpush(frame)
            made = self._graph.vpull()
        except (av.error.FFmpegError, OSError, ValueError):
            raise self._unsupported() from None
        planes = [_rows(plane) for plane in made.planes]
        colours = np.stack(planes[:3])
        if self._by_table:
            colours = np.stack([table[plane] for table, plane in zip(_TO_LIMITED, colours, strict=True)])
        return colours, planes[3].copy() if reading.alpha else None

    def _built(self, reading: Reading, fit: Fit) -> Graph:
        graph = Graph()
        graph.threads = 1
        steps = [
            graph.add(
                "buffer",
                f"video_size={reading.width}x{reading.height}:pix_fmt={reading.pixels}:time_base=1/25"
                f":pixel_aspect=1/1:colorspace={_NAMES[reading.matrix]}:range={'pc' if reading.full_range else 'tv'}",
            )
        ]
        if reading.rotation:
            steps.append(graph.add(*_TURNS[reading.rotation]))
        if reading.rotation == 180:
            steps.append(graph.add("vflip", ""))
        turned = reading.rotation in (90, 270)
        width, height = (reading.height, reading.width) if turned else (reading.width, reading.height)
        left, top, right, bottom = fit.source
        cut = [round(left * width), round(top * height), round(right * width), round(bottom * height)]
        if cut != [0, 0, width, height]:
            size = max(1, cut[2] - cut[0]), max(1, cut[3] - cut[1])
            steps.append(graph.add("crop", f"{size[0]}:{size[1]}:{cut[0]}:{cut[1]}"))
        target = "pc" if self._by_table else "tv"
        steps += [
            graph.add(
                "scale",
                f"{fit.place.width}:{fit.place.height}:flags={_SCALING}:out_color_matrix=bt709:out_range={target}",
            ),
            graph.add("format", "pix_fmts=yuva444p" if reading.alpha else "pix_fmts=yuv444p"),
            graph.add("buffersink"),
        ]
        try:
            graph.link_nodes(*steps).configure()
        except (av.error.FFmpegError, OSError, ValueError):
            raise self._unsupported() from None
        return graph

    def _unsupported(self) -> BadMedia:
        reading = self._reading
        return BadMedia(
            f"the pictures of {self._name!r} ({reading.pixels}, {reading.width} x {reading.height}) cannot be"
            " converted; transcode it, for example to H.264",
            code="unsupported_pixels",
        )


def _rows(plane: "av.video.plane.VideoPlane") -> Planes:
    # FFmpeg pads rows for its vector code.
    rows: Planes = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
