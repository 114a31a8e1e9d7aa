"""Clips whose pictures tell how they are shown: corners for orientation, a disc for shape; and what comes of them."""

import itertools
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from models.pictures.colour import images_of
from stream.events.asset import Media
from stream.events.frames import Frames

Picture = npt.NDArray[np.uint8]
CORNERS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "yellow": (230, 220, 20)}
QUICK: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "bf": "0", "g": "5"},
    "libx265": {"preset": "ultrafast", "x265-params": "bframes=0:keyint=5:log-level=none:pools=1:frame-threads=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0"},
}


def corners(width: int = 160, height: int = 90) -> Picture:
    """Red, green, blue and yellow from the top left on, row by row, on grey."""
    picture = np.full((height, width, 3), 120, np.uint8)
    side = height // 4
    places = itertools.product((slice(None, side), slice(-side, None)), repeat=2)
    for (rows, columns), colour in zip(places, CORNERS.values(), strict=True):
        picture[rows, columns] = colour
    return picture


def disc(width: int, height: int, aspect: float = 1.0) -> Picture:
    """White, and round where a pixel is `aspect` times as wide as high."""
    rows, columns = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), 60, np.uint8)
    inside = ((columns - width / 2 + 0.5) * aspect) ** 2 + (rows - height / 2 + 0.5) ** 2 < (
        0.35 * min(width * aspect, height)
    ) ** 2
    picture[inside] = 250
    return picture


def roundness(image: Picture) -> float:
    """Width over height of what is white."""
    rows, columns = np.nonzero(image.min(-1) > 160)
    return float((np.ptp(columns) + 1) / (np.ptp(rows) + 1))


def names_of(image: Picture) -> tuple[str, ...]:
    """What the corners show, as `CORNERS` lists them."""
    inner = [image[row, column].astype(int) for row in (4, -5) for column in (4, -5)]
    return tuple(min(CORNERS, key=lambda name: int(np.abs(np.array(CORNERS[name]) - pixel).sum())) for pixel in inner)


def encoded(
    codec: str, pictures: Sequence[Picture], first: int, *, aspect: Fraction | None = None, pix_fmt: str = "yuv420p"
) -> list["av.Packet[av.VideoStream]"]:
    """Ten pictures a second from number `first` on, with a header of their own."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.height, context.width = pictures[0].shape[:2]
    context.pix_fmt, context.time_base, context.framerate = pix_fmt, Fraction(1, 10), Fraction(10)
    context.options = QUICK.get(codec, {})
    if aspect is not None:
        context.sample_aspect_ratio = aspect
    packets = []
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
        frame.pts, frame.time_base = first + number, Fraction(1, 10)
        packets += context.encode(frame)
    return packets + context.encode(None)


def muxed(
    path: Path,
    packets: Iterable["av.Packet[Any]"],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> Path:
    """These packets as they are, of pictures of 160x90, ten a second. `options` are those of the container."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 160, 90, pix_fmt, Fraction(1, 10)
        container.start_encoding()
        for packet in packets:
            packet.stream, packet.time_base, packet.duration = stream, Fraction(1, 10), 1
            container.mux(packet)
    return path


def joined(path: Path, codec: str, parts: Iterable[tuple[Sequence[Picture], Fraction | None]]) -> Path:
    """One stream whose header changes from part to part."""
    packets: list[av.Packet[av.VideoStream]] = []
    with av.open(str(path), "w") as container:
        first = 0
        for pictures, aspect in parts:
            packets += encoded(codec, pictures, first, aspect=aspect)
            first += len(pictures)
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = next(iter(parts))[0][0].shape[:2]
        stream.time_base = Fraction(1, 10)
        stream.options = {**QUICK.get(codec, {})}
        container.start_encoding()
        for packet in packets:
            packet.stream, packet.time_base, packet.duration = stream, Fraction(1, 10), 1
            container.mux(packet)
    return path


def decoded(path: Path) -> tuple[Media, list[Frames]]:
    source = open_source(str(path), SourcePolicy(roots=(str(path.parent),)))
    decoder = PyAVDecoder()
    try:
        found = decoder.inspect(source)
        return found.media, [
            Frames.from_bytes(cell.to_bytes()) for cell in decoder.decode(source, span_of(found, path))
        ]
    finally:
        source.close()


def shown(path: Path) -> list[Picture]:
    """Every sample."""
    return [image for cell in decoded(path)[1] for image in images_of(cell)]


def written(path: Path, codec: str, pictures: Sequence[Picture], *, pix_fmt: str = "yuv420p", turned: int = 0,
            mirrored: bool = False, alpha: npt.NDArray[np.uint8] | None = None) -> Path:  # fmt: skip
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.options = {**QUICK.get(codec, {})}
        if turned or mirrored:
            stream.set_display_rotation(turned, hflip=mirrored)
        for number, picture in enumerate(pictures):
            layout = "rgb24" if picture.shape[2] == 3 else "rgba"
            frame = av.VideoFrame.from_ndarray(picture, format=layout).reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def boxes_to(data: bytearray, path: Sequence[bytes]) -> list[int]:
    """Where each of these nested boxes of an MP4 begins."""
    found, position = [], 0
    for kind in path:
        while data[position + 4 : position + 8] != kind:
            position += struct.unpack_from(">I", data, position)[0]
        found.append(position)
        position += 16 if kind == b"stsd" else 8
    return found


def with_box(path: Path, entry: bytes, box: bytes, *, renamed: bytes | None = None) -> Path:
    """The file with a box at the end of its sample entry. Its media lies in front of its header."""
    data = bytearray(path.read_bytes())
    places = boxes_to(data, (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", entry))
    end = places[-1] + struct.unpack_from(">I", data, places[-1])[0]
    for place in places:
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(box))
    data[end:end] = box
    if renamed is not None:
        data[places[-1] + 4 : places[-1] + 8] = renamed
    path.write_bytes(data)
    return path


def remuxed(path: Path, suffix: str) -> Path:
    if path.suffix == f".{suffix}":
        return path
    other = path.with_suffix(f".{suffix}")
    with av.open(str(path)) as source, av.open(str(other), "w") as target:
        old = source.streams.video[0]
        new = target.add_stream_from_template(old, opaque=True)
        for packet in source.demux(old):
            if packet.dts is not None:
                packet.stream = new
                target.mux(packet)
    return other


def red_clip(path: Path) -> Path:
    """Ten pictures of nothing but red."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        picture = np.zeros((90, 160, 3), np.uint8)
        picture[..., 0] = 255
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
