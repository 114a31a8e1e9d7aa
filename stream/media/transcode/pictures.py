"""The pictures of a range of the output's grid, decoded from an earlier key frame and picked by their times."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import av.error

from stream.errors import BadMedia
from stream.media.transcode import opening
from stream.media.transcode.facts import Facts
from stream.media.transcode.graphs import Chain, converter, deinterlacer, shape_of
from stream.media.transcode.target import TargetPictures

_LEAD_IN = 2
"""Places on the grid before the range whose pictures are also deinterlaced: the filter looks at neighbours."""
_MOST_FAILED = 0.02


@dataclass(frozen=True, slots=True)
class Range:
    first: int
    frames: int

    @property
    def end(self) -> int:
        return self.first + self.frames


def pictures(
    path: Path, facts: Facts, target: TargetPictures, wanted: Range, table: Path | None
) -> Iterator[av.VideoFrame]:
    """Exactly `wanted.frames` pictures in the target's form, with the pts 0, 1, 2 and so on. Raises `BadMedia`."""
    conversion: Chain | None = None
    shape: object = None
    number = 0
    for source, repeats in _picked(path, facts, target, wanted):
        if shape_of(source) != shape:
            shape, conversion = shape_of(source), converter(source, facts, target, table)
        for shown in [source] if conversion is None else conversion.push(source):
            for _ in range(repeats):
                shown.pts, shown.time_base, shown.pict_type = number, facts.frame_s, 0
                _tag(shown, target)
                yield shown
                number += 1


def _tag(frame: av.VideoFrame, target: TargetPictures) -> None:
    """Some encoders write the tags of each picture into it, and not those of the stream."""
    frame.colorspace, frame.color_range = target.matrix, target.range
    frame.color_primaries, frame.color_trc = target.primaries, target.transfer


def _picked(path: Path, facts: Facts, target: TargetPictures, wanted: Range) -> Iterator[tuple[av.VideoFrame, int]]:
    """Each picture that is shown, and for how many places of the grid."""
    held: av.VideoFrame | None = None
    place = wanted.first
    for frame in _deinterlaced(_near(path, facts, wanted), target):
        slot = facts.slot(time_of(frame))
        if slot > place:
            shown = held if held is not None else frame
            until = min(slot, wanted.end)
            yield shown, until - place
            place = until
        if place >= wanted.end:
            return
        held = frame
    if held is None:
        raise BadMedia(
            f"no picture could be decoded from {float(wanted.first * facts.frame_s):.1f} s on", code="no_frames"
        )
    yield held, wanted.end - place


def _deinterlaced(frames: Iterator[av.VideoFrame], target: TargetPictures) -> Iterator[av.VideoFrame]:
    if not target.deinterlaced:
        yield from frames
        return
    graph: Chain | None = None
    shape: object = None
    for frame in frames:
        if shape_of(frame) != shape:
            if graph is not None:
                yield from graph.push(None)
            shape, graph = shape_of(frame), deinterlacer(frame)
        yield from [frame] if graph is None else graph.push(frame)
    if graph is not None:
        yield from graph.push(None)


def _near(path: Path, facts: Facts, wanted: Range) -> Iterator[av.VideoFrame]:
    """The last picture before the range's lead-in, and all from there on."""
    before: av.VideoFrame | None = None
    near = wanted.first - _LEAD_IN
    for frame in _decoded(path, facts, near):
        if facts.slot(time_of(frame)) <= near:
            before = frame
            continue
        if before is not None:
            yield before
            before = None
        yield frame
    if before is not None:
        yield before


def _decoded(path: Path, facts: Facts, near: int) -> Iterator[av.VideoFrame]:
    """Frames from a key frame that is shown at or before `near`; from the start where none is found."""
    back_s = 0.0
    with opening.opened(path) as container:
        while near > 0:
            stream = _stream(container, facts)
            start = facts.ticks_of(near) - round(back_s / float(opening.seconds_per_tick(stream)))
            if start <= facts.origin:
                break
            key = _key_time(container, stream, start)
            if key is not None and key <= facts.ticks_of(near):
                container.seek(start, stream=stream)
                yield from _frames(container, stream, key)
                return
            # A seek in a transport stream may land a whole group of pictures late.
            back_s = back_s * 2 or 4.0
    with opening.opened(path) as container:
        yield from _frames(container, _stream(container, facts), facts.origin)


def _stream(container: av.container.InputContainer, facts: Facts) -> av.VideoStream:
    stream = container.streams[facts.video]
    assert isinstance(stream, av.VideoStream)
    opening.prepare(container, stream)
    return stream


def _key_time(container: av.container.InputContainer, stream: av.VideoStream, start: int) -> int | None:
    """When the picture is shown that a seek lands on; None where it is no key frame."""
    try:
        container.seek(start, stream=stream)
    except av.error.FFmpegError:
        return None
    packet = next(opening.packets(container, [stream]), None)
    return packet.pts if packet is not None and packet.is_keyframe else None


def _frames(container: av.container.InputContainer, stream: av.VideoStream, key: int) -> Iterator[av.VideoFrame]:
    """Decodes to the end of the file. What is shown before the key frame may need pictures that were skipped."""
    decoded = failed = 0
    for packet in chain(opening.packets(container, [stream]), [None]):
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            failed += 1
            frames = []
        decoded += len(frames)
        for frame in frames:
            if frame.pts is None:
                frame.pts = frame.dts
            # Pictures that come out at the end of the file have none.
            frame.time_base = stream.time_base
            if frame.pts is not None and frame.pts >= key:
                yield frame
        _enough(failed, decoded)


def time_of(frame: av.VideoFrame) -> int:
    assert frame.pts is not None, "frames without a time are left out"
    return frame.pts


def _enough(failed: int, decoded: int) -> None:
    if failed > 2 and failed > _MOST_FAILED * decoded:
        raise BadMedia(f"{failed} of {failed + decoded} pictures are damaged", code="missing_frames")
