"""Clips that tests make for themselves through PyAV: moving scenes that look unlike each other, with known cuts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

Pixels = npt.NDArray[np.uint8]
_PERIOD = 50
"""After so many frames the stripes of a scene come again."""
_KEPT_PIXELS = 320 * 180


@dataclass(frozen=True, slots=True)
class Clip:
    """`cuts` are the first frames of every scene but the first; `pts` are in units of `1 / rate`."""

    path: Path
    frames: int
    rate: Fraction
    cuts: tuple[int, ...]
    pts: tuple[int, ...]

    @property
    def seconds(self) -> float:
        return float(self.frames / self.rate)


class _Field(NamedTuple):
    """Stripes without their block: uint8 [height, width, 3], the block's colour and where it begins."""

    stripes: Pixels
    block: npt.NDArray[np.int64]
    left: int
    top: int


def scene_frame(scene: int, step: int, size: tuple[int, int]) -> Pixels:
    """Frame `step` of scene `scene`: uint8 [height, width, 3] RGB, a striped field with a block that moves."""
    width, height = size
    draw = _kept_field if width * height <= _KEPT_PIXELS else _field
    field = draw(scene, step % _PERIOD, size)
    edge = max(4, height // 4)
    left = (step * max(1, width // 100) + field.left) % max(1, width - edge)
    shown = field.stripes.copy()
    shown[field.top : field.top + edge, left : left + edge] = field.block
    return shown


def _field(scene: int, step: int, size: tuple[int, int]) -> _Field:
    width, height = size
    rng = np.random.default_rng(1000 + scene)
    low, high, block = rng.permutation(np.array([[20, 30, 60], [230, 200, 40], [40, 220, 90], [200, 40, 160]]))[:3]
    angle = rng.uniform(0, np.pi)
    rows, columns = np.mgrid[0:height, 0:width]
    phase = (columns * np.cos(angle) + rows * np.sin(angle)) / max(8, width // (3 + scene % 4)) + step / _PERIOD
    blend = (np.sin(phase * 2 * np.pi) * 0.5 + 0.5)[..., None]
    stripes: Pixels = (low * (1 - blend) + high * blend).astype(np.uint8)
    edge = max(4, height // 4)
    return _Field(stripes, block, int(rng.integers(width)), int(rng.integers(max(1, height - edge))))


# Drawing costs more than encoding does, and stripes are back where they were after each period.
_kept_field = lru_cache(maxsize=4 * _PERIOD)(_field)


def write_clip(  # one keyword for each property a test may vary
    path: Path,
    *,
    seconds: float = 5.0,
    fps: int | Fraction = 25,
    codec: str = "libx264",
    gop: int = 50,
    size: tuple[int, int] = (160, 90),
    scenes: int | Sequence[float] = 2,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    pts: Sequence[int] | None = None,
    audio: bool = False,
    container_options: dict[str, str] | None = None,
) -> Clip:
    """Encode scenes of equal length (`scenes` a number) or of the given lengths in seconds.

    `pts` replaces 0, 1, 2, … (units of one frame), for variable rate and late starts. The container follows the suffix.
    """
    rate = Fraction(fps)
    count = max(1, round(seconds * rate)) if pts is None else len(pts)
    starts = _starts(count, rate, scenes)
    shown = tuple(range(count)) if pts is None else tuple(pts)
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.time_base = 1 / rate
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        stream.options = {**_quick(codec), **(options or {})}
        sound = container.add_stream("aac", rate=48_000) if audio else None
        converter = VideoReformatter()
        for number, pixels in enumerate(_pictures(count, starts, size)):
            frame = converter.reformat(av.VideoFrame.from_ndarray(pixels, format="rgb24"), format=pix_fmt)
            frame.pts = shown[number]
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if isinstance(sound, av.AudioStream):
            _write_silence(container, sound, count / rate)
    return Clip(path, count, rate, tuple(starts[1:]), shown)


def _starts(count: int, rate: Fraction, scenes: int | Sequence[float]) -> list[int]:
    if isinstance(scenes, int):
        return sorted({count * scene // scenes for scene in range(scenes)})
    ends = np.cumsum([0.0, *scenes])
    return [start for start in (round(float(end) * rate) for end in ends) if start < count]


def _pictures(count: int, starts: Sequence[int], size: tuple[int, int]) -> Iterator[Pixels]:
    scene = 0
    for number in range(count):
        scene = max(index for index, start in enumerate(starts) if start <= number)
        yield scene_frame(scene, number - starts[scene], size)


def _quick(codec: str) -> dict[str, str]:
    if codec == "libx264":
        return {"preset": "veryfast", "sc_threshold": "0"}
    if codec == "libx265":
        return {"preset": "ultrafast", "x265-params": "log-level=none:scenecut=0:pools=1:frame-threads=1"}
    if codec.startswith("libvpx"):
        return {"deadline": "realtime", "cpu-used": "8"}
    return {}


def _write_silence(container: av.container.OutputContainer, stream: av.AudioStream, seconds: Fraction) -> None:
    for number in range(int(seconds * 48_000) // 1024):
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = 48_000
        frame.pts = number * 1024
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
