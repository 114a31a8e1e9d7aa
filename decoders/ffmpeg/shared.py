"""The only cell of an asset, decoded in two parts that two processes may decode side by side. A split is a key frame at
which decoding begins anew, so both parts are the same whoever decodes them, also where the file is damaged.
"""

from collections.abc import Callable, Iterator
from contextlib import closing

from decoders.ffmpeg.choice import UpTo
from decoders.ffmpeg.reader import FrameReader, OnError
from decoders.pictures.presented_frame import PresentedFrame
from decoders.sampling.cells import Cell
from decoders.sampling.full import FullSampler
from decoders.sampling.later import LaterPart, LaterRecorder
from stream.errors import BadEvent

Later = Callable[[], bytes | None]
_ROUNDING_NS = 1000
"""Times are rounded to whole nanoseconds, and a seek rounds down: it must not end one key frame before the split."""


def shared_cell(reader: FrameReader, duration_ns: int, split_ns: int, later: Later) -> tuple[list[Cell], bool]:
    """The cell, and whether some packets were encrypted. `later` gives the later part where another process decoded it;
    else another reader decodes it here.
    """
    sampler = _with_earlier(reader, duration_ns, split_ns)
    given = later()
    if given is not None:
        width, height = reader.size
        try:
            part = LaterPart.from_bytes(given, width * height * 3 // 2)
            return _replayed(sampler, part), part.ciphertext or reader.met_ciphertext
        except (BadEvent, LookupError):
            # A process that a hostile file took over may give less than is asked for.
            sampler = _with_earlier(reader, duration_ns, split_ns)
    with closing(reader.another(whole=True)) as own:
        for frame in _from_split(own, split_ns, lambda at_ns: sampler.error_at(at_ns) if at_ns >= split_ns else None):
            if frame.time_ns >= split_ns:
                list(sampler.push(frame))
        return list(sampler.finish()), own.met_ciphertext or reader.met_ciphertext


def later_part(reader: FrameReader, duration_ns: int, split_ns: int) -> LaterPart:
    """What `shared_cell` needs of the pictures from the split on."""
    recorder = LaterRecorder(duration_ns, split_ns)
    for frame in _from_split(reader, split_ns, recorder.error_at):
        recorder.push(frame)
    return recorder.finish(ciphertext=reader.met_ciphertext)


def _from_split(reader: FrameReader, split_ns: int, on_error: OnError) -> Iterator[PresentedFrame]:
    return reader.frames(split_ns + _ROUNDING_NS, on_error)


def _with_earlier(reader: FrameReader, duration_ns: int, split_ns: int) -> FullSampler:
    """A sampler that has all that is shown before the split."""
    sampler = FullSampler(0, 1, duration_ns, reader.last_ns)
    # What is lost behind the split is told by who decodes that.
    earlier = reader.frames(0, lambda at_ns: sampler.error_at(at_ns) if at_ns < split_ns else None, UpTo(split_ns))
    with closing(earlier):
        for frame in earlier:
            if frame.time_ns >= split_ns:
                break
            list(sampler.push(frame))
    return sampler


def _replayed(sampler: FullSampler, part: LaterPart) -> list[Cell]:
    for picture in part.pictures:
        if picture.lost:
            sampler.error_at(picture.time_ns)
        else:
            list(sampler.push(picture))
    return list(sampler.finish())
