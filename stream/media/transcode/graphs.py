"""FFmpeg's filters around the source's pictures: deinterlacing before they are picked, conversion after."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import av.error
from av.filter import Graph

from stream.errors import BadMedia
from stream.media.transcode.facts import Facts
from stream.media.transcode.orientation import Upright
from stream.media.transcode.target import TargetPictures, reading

_SCALER = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
_MATRICES = {0: "gbr", 1: "bt709", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc"}
_RANGES = {1: "tv", 2: "pc"}
_DEINTERLACED = ("yuv", "gray", "gbrp")


class Chain:
    """One graph from one source to one sink. `push` gives what comes out."""

    def __init__(self, frame: av.VideoFrame, matrix: int, full: int, filters: list[str]) -> None:
        self._graph = Graph()
        self._graph.threads = 1
        assert frame.time_base is not None, "frames of a decoder have one"
        source = self._graph.add(
            "buffer",
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={frame.time_base}"
            f":colorspace={_MATRICES[matrix]}:range={_RANGES[full]}:pixel_aspect=1/1",
        )
        links = [source]
        for text in filters:
            name, _, arguments = text.partition("=")
            links.append(self._graph.add(name, arguments or None))
        links.append(self._graph.add("buffersink"))
        self._graph.link_nodes(*links)
        self._graph.configure(auto_buffer=False)
        self._source, self._sink = links[0], links[-1]

    def push(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """None: the end. Raises `BadMedia` `unsupported_pixels`."""
        try:
            self._source.push(frame)
            while True:
                yield cast("av.VideoFrame", self._sink.pull())
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        except (av.error.FFmpegError, ValueError) as error:
            raise BadMedia(
                f"pictures cannot be converted ({type(error).__name__})", code="unsupported_pixels"
            ) from None


def shape_of(frame: av.VideoFrame) -> tuple[object, ...]:
    """Where it changes, a new graph is needed."""
    return frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range)


def deinterlacer(frame: av.VideoFrame) -> Chain | None:
    """None for pixels that are never interlaced."""
    if not frame.format.name.startswith(_DEINTERLACED):
        return None
    matrix, full = _read(frame)
    return Chain(frame, matrix, full, ["bwdif=mode=send_frame:parity=auto:deint=interlaced"])


def converter(frame: av.VideoFrame, facts: Facts, target: TargetPictures, table: Path | None) -> Chain | None:
    """None where the picture is right as it is. `table`: the 3D table that shows HDR as SDR (`hdr.py`)."""
    read = matrix, full = _read(frame)
    filters = [*Upright.of_number(facts.orientation).filters]
    upright = (frame.height, frame.width) if facts.orientation & 4 else (frame.width, frame.height)
    pixels = frame.format.name.replace("yuvj", "yuv")
    if table is not None:
        filters += [_scale(upright, read, (0, 2)), "format=pix_fmts=gbrp16le"]
        filters.append(f"lut3d=file={_escaped(str(table))}:interp=tetrahedral")
        matrix, full, pixels = 0, 2, "gbrp16le"
    wanted = target.matrix, target.range
    if (upright, pixels, (matrix, full)) != (target.scaled, target.pixel_format, wanted):
        filters += [_scale(target.scaled, (matrix, full), wanted), f"format=pix_fmts={target.pixel_format}"]
    if target.crop != target.scaled:
        # An odd last row or column is the one that goes, so the rest stays where it is.
        left, top = ((have - keep) // 4 * 2 for have, keep in zip(target.scaled, target.crop, strict=True))
        filters.append(f"crop={target.crop[0]}:{target.crop[1]}:{left}:{top}:exact=1")
    if (target.width, target.height) != target.crop:
        filters.append(f"pad={target.width}:{target.height}:{target.place[0]}:{target.place[1]}:black")
    return Chain(frame, *read, filters) if filters else None


def _escaped(text: str) -> str:
    """For an argument of a filter that FFmpeg parses once."""
    return "".join(f"\\{char}" if char in "\\':" else char for char in text)


def _scale(size: tuple[int, int], source: tuple[int, int], wanted: tuple[int, int]) -> str:
    """Each of `source` and `wanted`: matrix (0 is RGB) and range."""
    text = f"scale={size[0]}:{size[1]}:{_SCALER}:in_range={_RANGES[source[1]]}:out_range={_RANGES[wanted[1]]}"
    if source[0]:
        text += f":in_color_matrix={_MATRICES[source[0]].removesuffix('nc')}"
    if wanted[0]:
        text += f":out_color_matrix={_MATRICES[wanted[0]].removesuffix('nc')}"
    return text


def _read(frame: av.VideoFrame) -> tuple[int, int]:
    tags = (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc), int(frame.color_range))
    return reading(tags, frame.format.name, frame.height)
