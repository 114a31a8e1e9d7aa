"""The media operator `upscale`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from stream.errors import BadMedia
from stream.media.frames import lossless
from stream.media.frames.checking import FilmSettings, checked
from stream.media.frames.film import Film, Pixels, known_facts, parts_of, range_of, rgb_film, rgb_planes, written_as
from stream.media.frames.networks import Session, network_file, runtime, session
from stream.media.frames.toolchain import libraries
from stream.media.model_files import ModelFiles
from stream.media.protocol import Part, Settings, Task
from stream.media.transcode.settings import MAX_SIDE
from stream.media.upscale import network
from stream.media.upscale.tiles import tiles

MAX_PIXELS = 2048 * 1152
"""Of a picture of the source: one takes a minute on a slow core, and a part is at least one."""
_PART_PIXELS = 1_500_000


class UpscaleSettings(FilmSettings):
    """`factor`: by how much both sides grow."""

    factor: Literal[2, 4] = 2


class Upscale:
    """Settings: `UpscaleSettings`. A film to `picture.mkv` (FFV1 in R'G'B', the sound as it was).

    Each picture is upscaled by itself, in tiles. Pixels next to a seam see all that they depend on, so the result is
    that of the whole picture at once, but for the rounding of sums: at most 1 of 255. Implements `MediaOperator`.
    """

    version: ClassVar[int] = 1

    def __init__(self) -> None:
        self._models = ModelFiles()
        self._sessions: dict[int, Session] = {}

    def find_models(self, models: ModelFiles) -> None:
        self._models = models

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        return checked(UpscaleSettings, settings, inputs).model_dump(mode="json")

    def outputs(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return {lossless.PICTURE: "video/x-matroska"}

    def toolchain(self, settings: Settings) -> Mapping[str, str]:
        files = [network_file(self._models, "span", name) for name in _names(_read(settings).factor)]
        return libraries() | runtime() | {f"weights {file.path.name}": file.sha256 for file in files}

    def divide(self, task: Task) -> Sequence[Part]:
        film = _film(task)
        lossless.check_sound(film.path)
        pixels = film.target.width * film.target.height
        step = _read(task.settings).step(_PART_PIXELS // pixels)
        return parts_of(film.facts, film.facts.frames, step)

    def render(self, task: Task) -> None:
        assert task.part is not None, "`divide` always gives parts"
        film, factor = _film(task), _read(task.settings).factor
        target = written_as(film, film.target.width * factor, film.target.height * factor)
        lossless.write_part(task.folder / lossless.PICTURE, film.facts, target, self._made(task, film, factor))

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        film, factor = _film(task), _read(task.settings).factor
        target = written_as(film, film.target.width * factor, film.target.height * factor)
        files = [part / lossless.PICTURE for part in parts]
        lossless.join(task.folder / lossless.PICTURE, film.facts, target, files, film.path, task.report)

    def _made(self, task: Task, film: Film, factor: int) -> Iterator[list[Pixels]]:
        assert task.part is not None
        wanted = range_of(task.part)
        for number, picture in enumerate(film.rgb(wanted)):

            def tell(share: float, done: int = number) -> None:
                task.report((done + share) / wanted.frames)

            tell(0.0)
            yield rgb_planes(upscaled(self._session(factor), picture, factor, tell))

    def _session(self, factor: int) -> Session:
        if factor not in self._sessions:
            layers, weights = (network_file(self._models, "span", name).path for name in _names(factor))
            self._sessions[factor] = session(network.onnx_model(layers.read_text("ascii"), weights.read_bytes()))
        return self._sessions[factor]


def upscaled(net: Session, picture: Pixels, factor: int, tell: Callable[[float], None]) -> Pixels:
    """A picture [h, w, 3] of 8 or 16 bit in `factor` times its size. `tell` is called after each tile."""
    height, width, _ = picture.shape
    most = np.iinfo(picture.dtype).max
    result = np.empty((height * factor, width * factor, 3), picture.dtype)
    places = list(tiles(height, width))
    for number, (down, across) in enumerate(places, 1):
        seen: npt.NDArray[Any] = picture[slice(*down.seen), slice(*across.seen)].transpose(2, 0, 1)[None]
        given = np.ascontiguousarray(seen, np.float32) / np.float32(most)
        (made,) = net.run([network.OUTPUT], {network.INPUT: given})[0]
        top, left = ((way.kept[0] - way.seen[0]) * factor for way in (down, across))
        high, wide = ((way.kept[1] - way.kept[0]) * factor for way in (down, across))
        kept = made[:, top : top + high, left : left + wide]
        result[down.kept[0] * factor : down.kept[1] * factor, across.kept[0] * factor : across.kept[1] * factor] = (
            np.rint(np.clip(kept, 0, 1) * most).transpose(1, 2, 0)
        )
        tell(number / len(places))
    return result


def _names(factor: int) -> tuple[str, str]:
    return f"spanx{factor}_ch48.param", f"spanx{factor}_ch48.bin"


def _read(settings: Settings) -> UpscaleSettings:
    return UpscaleSettings.model_validate(dict(settings))


def _film(task: Task) -> Film:
    settings = _read(task.settings)
    path = task.inputs[settings.input]
    film = rgb_film(path, known_facts(path, task.part))
    width, height = film.target.width, film.target.height
    if width * height > MAX_PIXELS or max(width, height) * settings.factor > MAX_SIDE:
        raise BadMedia(
            f"pictures of {width}x{height} are too large to be upscaled by {settings.factor}: at most {MAX_PIXELS:,}"
            f" pixels, and {MAX_SIDE} as the longer side of the result",
            code="too_many_pixels",
        )
    return film
