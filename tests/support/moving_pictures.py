"""Pictures whose motion is known: a textured square that moves over a textured ground, which moves another way."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 192, 112


def texture(x: npt.NDArray[Any], y: npt.NDArray[Any], kind: int) -> npt.NDArray[np.float64]:
    """Grey levels at places that need not be whole; nothing of it repeats within a picture."""
    turn = 0.7 * kind
    waves = np.sin(x / 5.1 + turn) + np.sin((x + 2 * y) / 9.7) + np.cos(y / 4.3 - turn) + np.sin((x - y) / 13.9 + kind)
    level: npt.NDArray[np.float64] = 120 + 24 * waves + 30 * (kind % 2)
    if kind > 5:
        level = np.where((x // 37 + y // 29) % 2 > 0, 210.0, 40.0) + 8 * waves
    return level


def moving(time: float, scene: int = 0) -> Picture:
    """uint8 [h, w, 3]; `time` in pictures. The ground moves by (-2, 0.5) in each, the square by (5, 1)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    ground = texture(x + 2 * time, y - 0.5 * time, 2 + 4 * scene)
    left, top = 30 + 5 * time, 30 + time
    square = texture(x - left, y - top, 3 + 4 * scene)
    # A soft edge, as a lens makes it: else the truth between two pictures would have steps.
    inside = np.clip(np.minimum.reduce([x - left, left + 44 - x, y - top, top + 44 - y]) + 0.5, 0, 1)
    grey = np.clip(np.rint(ground + (square - ground) * inside), 0, 255)
    tinted = np.stack([grey, 0.8 * grey + 20, 255 - grey], axis=-1)
    picture: Picture = np.rint(tinted).astype(np.uint8)
    return picture


def write_film(  # one keyword for each property a test may vary
    path: Path,
    pictures: Sequence[Picture] | Iterator[Picture],
    *,
    rate: Fraction = Fraction(25),
    pix_fmt: str = "yuv420p",
    tags: tuple[int, int, int, int] = (1, 1, 1, 1),
    aspect: Fraction = Fraction(1),
    degrees: int = 0,
    sound_s: float = 0.0,
    sound_after_s: Fraction = Fraction(0),
    sound_codec: str = "aac",
) -> Path:
    """FFV1 in Matroska, or H.264 without a loss where the name says `.mp4` or `.mov`. `tags`: matrix, primaries,
    transfer and range. `degrees`: by which players turn it, clockwise. `sound_s`: seconds of a tone, which begins so
    long after the first picture; before it where that is negative.
    """
    with av.open(str(path), "w") as container:
        mp4 = path.suffix in {".mp4", ".mov"}
        stream = container.add_stream(*(("libx264", rate, {"qp": "0"}) if mp4 else ("ffv1", rate)))
        assert isinstance(stream, av.VideoStream)
        audio: Any = container.add_stream(sound_codec, rate=48_000, layout="mono") if sound_s else None
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = tags
        context.sample_aspect_ratio = aspect
        if degrees:
            stream.set_display_rotation(-degrees)
        wait = max(Fraction(0), -sound_after_s)
        for number, picture in enumerate(pictures):
            rgb = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = rgb.reformat(format=pix_fmt, dst_colorspace=tags[0], dst_color_range=tags[3])
            if not number:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pix_fmt
            frame.time_base = Fraction(1, 90_000)
            frame.pts = round((number / rate + wait) * 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            for packet in [*audio.encode(_tone(sound_s, max(Fraction(0), sound_after_s))), *audio.encode(None)]:
                container.mux(packet)
    return path


def _tone(seconds: float, start: Fraction) -> av.AudioFrame:
    times = np.arange(round(seconds * 48_000)) / 48_000
    frame = av.AudioFrame.from_ndarray(
        (0.3 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)[None], format="fltp", layout="mono"
    )
    frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
    frame.pts = round(start * 48_000)
    return frame


def shown(path: Path, form: str = "rgb24") -> list[npt.NDArray[Any]]:
    """All pictures of a file."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=form) for frame in container.decode(video=0)]


def psnr(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Of 8-bit pictures, in dB."""
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
