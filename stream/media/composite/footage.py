"""Footage as pictures by presentation time. What a file says of itself is checked against the pictures that come."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from stream.errors import BadMedia
from stream.media.composite.containers import MAX_ERRORS, MAX_PIXELS, opened

_LEAD = Fraction(1)
"""Decoding begins at the last key frame that is this much earlier: the nearest one may not be decodable by itself."""
_NEAR_START = Fraction(3)
"""So near the start nothing is gained by seeking."""


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A decoded picture, and when it is shown: seconds from the first picture. `end` is a guess for the last one."""

    frame: av.VideoFrame
    start: Fraction
    end: Fraction


class FootagePictures:
    """The pictures of one file, asked for at times that never go back but by `restart`.

    Raises `BadMedia`: `unreadable_container`, `no_video`, `unknown_codec`, `no_frames`, `too_many_pixels`, and
    `footage_too_short` from `at` where the footage has ended, unless `hold`. `tick` is called for each decoded picture.
    """

    def __init__(self, path: Path, name: str, *, hold: bool, tick: Callable[[], None]) -> None:
        self._path = path
        self._name = name
        self._hold = hold
        self._tick = tick
        self._stack = ExitStack()
        self._shots: Iterator[ShownPicture] = iter(())
        self._shown: ShownPicture | None = None
        self._next: ShownPicture | None = None
        self.pixel_aspect = Fraction(1)
        self._first = self._first_time()

    def close(self) -> None:
        self._stack.close()

    def duration(self) -> Fraction:
        """Seconds from the first picture to the end of the last, by reading all packets. Decodes nothing."""
        with opened(self._path, self._name) as container:
            stream = _video(container, self._name)
            end = self._first
            for packet in _packets(container, stream):
                time = packet.pts if packet.pts is not None else packet.dts
                if time is not None and not packet.is_discard:
                    end = max(end, (time + (packet.duration or 0)) * _base(stream))
        return end - self._first

    def restart(self, seconds: Fraction) -> None:
        """Make ready for times from `seconds` on."""
        self.close()
        self._shown = self._next = None
        if seconds > _NEAR_START and self._begun(self._first + seconds, seek=True):
            return
        if not self._begun(self._first, seek=False):
            raise self._without_pictures()

    def at(self, seconds: Fraction) -> av.VideoFrame:
        """The picture that is shown at a time."""
        while self._next is not None and self._next.start <= seconds:
            self._shown, self._next = self._next, next(self._shots, None)
        if self._shown is None:
            # Nothing is shown before the first picture that could be decoded, so it is shown from the start.
            if self._next is None:
                raise self._without_pictures()
            return self._next.frame
        if self._next is None and not self._hold and seconds >= self._shown.end:
            raise BadMedia(
                f"the footage {self._name!r} ends after {float(self._shown.end):.3f} s, and is needed at"
                f" {float(seconds):.3f} s; set `when_shorter: loop` or `hold`, or show it for less time",
                code="footage_too_short",
            )
        return self._shown.frame

    def _begun(self, time: Fraction, *, seek: bool) -> bool:
        """Whether decoding could begin at or before `time`."""
        container = self._stack.enter_context(opened(self._path, self._name))
        stream = _video(container, self._name)
        if seek:
            try:
                container.seek(int((time - _LEAD) / _base(stream)), stream=stream, backward=True)
            except (av.error.FFmpegError, OSError):
                return False
        self._shots = self._decoded(container, stream, from_key=seek)
        self._next = next(self._shots, None)
        # An index that is wrong may have led behind the time: then nothing but the start can be trusted.
        if seek and (self._next is None or self._next.start > time - self._first):
            self.close()
            return False
        return self._next is not None

    def _first_time(self) -> Fraction:
        with opened(self._path, self._name) as container:
            stream = _video(container, self._name)
            self.pixel_aspect = _sound_aspect(stream.sample_aspect_ratio)
            for frame in _frames(container, stream, self._tick):
                if frame.pts is not None:
                    return frame.pts * _base(stream)
        raise self._without_pictures()

    def _decoded(self, container: InputContainer, stream: VideoStream, *, from_key: bool) -> Iterator[ShownPicture]:
        base = _base(stream)
        waiting: av.VideoFrame | None = None
        step = 1 / Fraction(stream.average_rate or 25)
        for frame in _frames(container, stream, self._tick):
            if frame.pts is None or (from_key and waiting is None and not frame.key_frame):
                continue
            if waiting is not None and waiting.pts is not None:
                if frame.pts <= waiting.pts:
                    continue
                step = (frame.pts - waiting.pts) * base
                yield ShownPicture(waiting, waiting.pts * base - self._first, frame.pts * base - self._first)
            waiting = frame
        if waiting is not None and waiting.pts is not None:
            start = waiting.pts * base - self._first
            yield ShownPicture(waiting, start, start + step)

    def _without_pictures(self) -> BadMedia:
        return BadMedia(f"no picture of the footage {self._name!r} can be decoded", code="no_frames")


def _video(container: InputContainer, name: str) -> VideoStream:
    for stream in container.streams.video:
        if stream.codec_context is None:
            raise BadMedia(f"there is no decoder for the footage {name!r}", code="unknown_codec")
        if stream.width * stream.height > MAX_PIXELS:
            raise BadMedia(
                f"the footage {name!r} has {stream.width} x {stream.height} pixels; at most {MAX_PIXELS:,} are taken",
                code="too_many_pixels",
            )
        # One thread: frames come in the same way whatever the machine, and damaged ones too.
        stream.codec_context.thread_count = 1
        stream.thread_type = "NONE"
        return stream
    raise BadMedia(f"the input {name!r} holds no footage", code="no_video")


def _sound_aspect(aspect: Fraction | None) -> Fraction:
    return aspect if aspect is not None and Fraction(1, 10) <= aspect <= 10 else Fraction(1)


def _base(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


def _packets(container: InputContainer, stream: VideoStream) -> "Iterator[av.Packet[VideoStream]]":
    packets = container.demux(stream)
    for _ in range(MAX_ERRORS):
        try:
            yield from packets
        except (av.error.FFmpegError, OSError, ValueError):
            continue
        return


def _frames(container: InputContainer, stream: VideoStream, tick: Callable[[], None]) -> Iterator[av.VideoFrame]:
    """Decoded pictures in the order in which they are shown. What is damaged is passed over, up to a limit."""
    errors = 0
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, OSError, ValueError):
            errors += 1
            if errors > MAX_ERRORS:
                return
            continue
        for frame in frames:
            tick()
            if frame.width * frame.height <= MAX_PIXELS:
                yield frame
