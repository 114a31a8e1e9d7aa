"""Prepares a frame before it is scaled, and reads its own pixel aspect, both with small FFmpeg filter graphs."""

from fractions import Fraction

import av
import av.error
import av.filter

from decoders.memory import raise_if_out_of_memory
from decoders.pictures.colour import has_alpha, is_rgb
from stream.errors import BadMedia
from stream.events.media import Crop

_ANY_TIME_BASE = Fraction(1, 1000)
"""The filter needs a time base. Pictures do not depend on it, and the frames at a decoder's end have none."""
_ANY_LIGHT = "color_primaries=bt709:color_trc=bt709"
"""Converters refuse unknown codes. Equal codes on both sides change nothing, so these replace the frame's own."""
_NO_CROP = (0, 0, 0, 0)
_FULL_RANGE = 2
_Step = tuple[str, str]


class Preparation:
    """Crops, takes one field of an interlaced frame (ADR 0009), and lays transparent pixels over black. Other frames
    stay as they are. Cropping and fields are stride arithmetic; no pixel is copied.

    An interlaced frame holds two moments, half a frame apart. Scaled as one picture, they leave a ghost, and also a
    comb where the scale is not exactly 2 lines to 1. Each 4:2:0 chroma line belongs to one field and bleeds into the
    other. A sample needs 256 lines, so one field (the top one) has enough.
    """

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._key: tuple[object, ...] | None = None

    def of(self, frame: av.VideoFrame, crop: Crop) -> av.VideoFrame:
        name = frame.format.name
        alpha = has_alpha(name)
        if not frame.interlaced_frame and not alpha and crop == _NO_CROP:
            return frame
        full = frame.color_range == _FULL_RANGE
        key = frame.width, frame.height, name, frame.interlaced_frame, crop, full
        try:
            # Building a graph costs far more than a push, so it stays until the frames change.
            if self._graph is None or key != self._key:
                steps = _steps(frame, crop, alpha=alpha, full=full)
                self._graph, self._key = _graph(frame, steps), key
            self._graph.vpush(frame)
            return self._graph.vpull()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # A graph that failed may still hold the frame, so the next picture starts with a new one.
            self._graph = None
            raise_if_out_of_memory(error)
            raise BadMedia(
                f"pictures ({name}, {frame.width} x {frame.height}) cannot be cropped, split into fields or laid "
                "over black; transcode the file, for example to H.264, and publish it again",
                code="unsupported_pixels",
            ) from None


class PixelAspect:
    """The pixel aspect that a frame states itself. PyAV does not offer it, so the width of a
    scaled picture shows it.
    """

    NEAR = 0.004
    """Aspects that differ by less are equal."""
    # Aspect 1 gives a picture 1024 wide: the width reads back with three decimals.
    _UNIT = 1024
    _SIDE = 16

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._key: tuple[object, ...] | None = None

    def of(self, frame: av.VideoFrame) -> float:
        """Width over height; 1 where the frame states none."""
        key = frame.width, frame.height, frame.format.name
        try:
            if self._graph is None or key != self._key:
                self._graph, self._key = _graph(frame, self._steps(frame)), key
            self._graph.vpush(frame)
            return self._graph.vpull().width / self._UNIT
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self._graph = None
            raise_if_out_of_memory(error)
            return 1.0

    def _steps(self, frame: av.VideoFrame) -> list[_Step]:
        width, height = min(frame.width, self._SIDE), min(frame.height, self._SIDE)
        wide = f"clip(round(sar*{self._UNIT}),2,{16 * self._UNIT})"
        return [
            ("crop", f"{width}:{height}:0:0"),
            ("setparams", f"colorspace=bt709:range=tv:{_ANY_LIGHT}"),  # replaces tags that swscale may not know
            ("scale", f"w='{wide}':h={self._SIDE}:eval=frame:flags=neighbor"),
        ]


def _steps(frame: av.VideoFrame, crop: Crop, *, alpha: bool, full: bool) -> list[_Step]:
    steps: list[_Step] = []
    if crop != _NO_CROP:
        top, bottom, left, right = crop
        steps.append(("crop", f"{frame.width - left - right}:{frame.height - top - bottom}:{left}:{top}"))
    if frame.interlaced_frame:
        steps.append(("field", "type=top"))
    if alpha:
        steps.append(("setparams", _ANY_LIGHT))
        # `premultiply` takes planar forms with alpha only.
        if is_rgb(frame.format.name):
            steps.append(("format", "gbrap"))
        else:
            steps += [("setparams", f"colorspace=bt709:range={'pc' if full else 'tv'}"), ("format", "yuva444p")]
        steps.append(("premultiply", "inplace=1"))
    return steps


def _graph(frame: av.VideoFrame, steps: list[_Step]) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1  # by default it starts some, which costs more than small pictures do
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_ANY_TIME_BASE)
    filters = [graph.add(name, arguments) for name, arguments in steps]
    graph.link_nodes(source, *filters, graph.add("buffersink")).configure()
    return graph
