"""Montages with known transitions for judging shots: scenes of pinned pictures under a camera, at any frame rate.

A scene is a function of time, so that one montage has the same content at each rate.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import PictureType
from PIL import Image, ImageOps

from benchmarks.reels import picture_paths

SIZE = (320, 180)
RATES = (Fraction(24_000, 1001), Fraction(25), Fraction(30_000, 1001), Fraction(50), Fraction(60))
CODECS = {"h264": "libx264", "hevc": "libx265"}
_OPTIONS = {
    "h264": {"preset": "veryfast", "crf": "26"},
    "hevc": {"preset": "ultrafast", "x265-params": "log-level=none"},
}
DISSOLVES = (5, 8, 12, 20, 30, 45, 60)
"""Lengths in frames of 25 a second."""
_SCENE_S = 2.8

Frame = npt.NDArray[np.uint8]
View = Callable[[float], Frame]
"""Seconds since the scene began to its RGB picture [180, 320, 3]."""


@dataclass(frozen=True, slots=True)
class Transition:
    """In seconds. A cut starts and ends at the time of the first picture of the new shot."""

    kind: str
    start_s: float
    end_s: float

    @property
    def hard(self) -> bool:
        return self.kind in ("cut", "jump")


@dataclass(frozen=True, slots=True)
class Montage:
    """Scenes one after the other, each with the transition that leads to the next."""

    name: str
    scenes: Sequence[View]
    kinds: Sequence[str]
    lengths_s: Sequence[float]
    scene_s: float = _SCENE_S

    def transitions(self) -> list[Transition]:
        at = [(number + 1) * self.scene_s for number in range(len(self.kinds))]
        return [
            Transition(kind, start, start + length)
            for kind, start, length in zip(self.kinds, at, self.lengths_s, strict=True)
        ]

    @property
    def seconds(self) -> float:
        return len(self.scenes) * self.scene_s

    def frame(self, time_s: float) -> Frame:
        """A transition takes its time from the beginning of the new scene, in which the old one goes on."""
        number = min(int(time_s / self.scene_s), len(self.scenes) - 1)
        since = time_s - number * self.scene_s
        shown = self.scenes[number](since)
        if number == 0 or since >= self.lengths_s[number - 1]:
            return shown
        share = since / self.lengths_s[number - 1]
        before = self.scenes[number - 1](since + self.scene_s)
        if self.kinds[number - 1] == "fade":
            return _scaled(before, 1 - 2 * share) if share < 0.5 else _scaled(shown, 2 * share - 1)
        mixed: Frame = np.rint(before * (1 - share) + shown * share).astype(np.uint8)
        return mixed


def _scaled(picture: Frame, level: float) -> Frame:
    scaled: Frame = np.rint(picture * level).astype(np.uint8)
    return scaled


def montages() -> list[Montage]:
    """Cuts, jump cuts, fades and dissolves of every length, between cameras that are steady and that move."""
    pictures = [_picture(path) for path in picture_paths()]
    made, number = [], 0
    for name, cameras in (
        ("steady cameras", ("still", "zoom", "noise", "grain")),
        ("moving cameras", ("pan", "shake", "whip", "flash")),
    ):
        scenes: list[View] = []
        kinds: list[str] = []
        lengths: list[float] = []
        for length in (*DISSOLVES, 0, 24, 0, 50, -1, 0, -1):
            scenes.append(_scene(pictures[number % len(pictures)], cameras[number % len(cameras)], len(scenes)))
            kinds.append(
                "jump" if length < 0 else "cut" if not length else "fade" if length in (24, 50) else "dissolve"
            )
            lengths.append(max(length, 0) / 25)
            # A jump stays with its picture.
            number += length >= 0
        scenes.append(_scene(pictures[number % len(pictures)], cameras[0], len(scenes)))
        made.append(Montage(name, scenes, kinds, lengths))
    return made


def fixed_cameras() -> Montage:
    """Cameras that stand still, with and without noise and grain, and a cut every 20 s."""
    cameras = ("still", "noise", "grain")
    scenes = [_scene(_picture(path), camera, 0) for path, camera in zip(picture_paths(), cameras, strict=False)]
    cuts = len(scenes) - 1
    return Montage("fixed cameras", scenes, ["cut"] * cuts, [0.0] * cuts, scene_s=20.0)


def _picture(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        return ImageOps.fit(opened.convert("RGB"), (SIZE[0] * 2, SIZE[1] * 2))


def _scene(picture: Image.Image, camera: str, seed: int) -> View:
    # Each scene of a picture sees another part of it, so that a jump is one.
    return partial(_seen, picture, camera, seed, (0.12 * (seed % 5), 0.1 * (seed % 3)))


def _seen(picture: Image.Image, camera: str, seed: int, place: tuple[float, float], time_s: float) -> Frame:
    zoom, (left, top) = 0.6, place
    if camera == "zoom":
        zoom -= 0.05 * time_s
    elif camera == "pan":
        left += 0.06 * time_s
    elif camera == "whip" and 1.0 <= time_s < 1.4:
        left += 0.9 * (time_s - 1.0)
    elif camera == "whip" and time_s >= 1.4:
        left += 0.36
    elif camera == "shake":
        left, top = left + 0.02 * np.sin(9 * time_s + seed), top + 0.015 * np.sin(13 * time_s)
    width, height = picture.width * zoom, picture.height * zoom
    x, y = (picture.width - width) * np.clip(left, 0, 1), (picture.height - height) * np.clip(top, 0, 1)
    pixels = np.asarray(picture.resize(SIZE, Image.Resampling.BILINEAR, (x, y, x + width, y + height)), np.float32)
    if camera == "flash" and 0.9 <= time_s < 0.98:
        pixels = pixels + 150
    if camera in ("noise", "grain"):
        rng = np.random.default_rng([seed, round(time_s * 1000)])
        coarse = 1 if camera == "noise" else 3
        drawn = rng.normal(0, 10, (SIZE[1] // coarse, -(-SIZE[0] // coarse), 1))
        pixels = pixels + np.kron(drawn, np.ones((coarse, coarse, 1)))[: SIZE[1], : SIZE[0]]
    seen: Frame = np.clip(pixels, 0, 255).astype(np.uint8)
    return seen


def encode(montage: Montage, rate: Fraction, folder: Path) -> Iterator[Path]:
    """The montage at one rate in every codec."""
    frames = [montage.frame(float(number / rate)) for number in range(int(montage.seconds * rate))]
    for codec, encoder in CODECS.items():
        path = folder / f"{montage.name.replace(' ', '-')}-{float(rate):.3f}-{codec}.mp4"
        with av.open(str(path), "w") as target:
            stream = target.add_stream(encoder, rate=rate)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            stream.options = dict(_OPTIONS[codec])
            for number, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base, frame.pict_type = number, 1 / rate, PictureType.NONE
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
        yield path
