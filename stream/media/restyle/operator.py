"""The media operator `restyle`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import PIL

from stream.errors import BadMedia
from stream.media.composite.pictures import picture_of
from stream.media.frames import lossless
from stream.media.frames.film import Film, Pixels, known_facts, parts_of, range_of, rgb_film, rgb_planes, written_as
from stream.media.frames.motion import Floats, versions
from stream.media.frames.networks import network_file, runtime
from stream.media.frames.toolchain import libraries
from stream.media.model_files import ModelFiles
from stream.media.protocol import Part, Settings, Task
from stream.media.restyle.painting import MANY, PIN, PREDICT, TRANSFORM, Painter, painter_like, painter_of
from stream.media.restyle.settings import RestyleSettings, checked_style
from stream.media.restyle.steadying import Flicker, Steadying
from stream.media.restyle.styles import weights
from stream.media.transcode.pictures import Range

FLICKER = "flicker.json"
MAX_PIXELS = 4096 * 2304
_MOST_SEEN = 1280 * 720
"""Pixels that a network sees at once. It bounds the memory: 1 GB."""
_LEAST_SIDE = 32
_PART_PIXELS = 40_000_000


class Restyle:
    """Settings: `RestyleSettings`. A film to `picture.mkv` (FFV1 in R'G'B', the sound as it was), and `flicker.json`.

    A part begins with its lead-in, pictures before it that are styled and not kept, so that it goes on from them. Their
    range is in the part, and their bytes in the input, whose digest is in the stage's key: a part that is made anew has
    the past that it had. `flicker.json` tells the mean difference of neighbours along the motion, in levels of 255: of
    the `source`, of pictures `styled` each by itself, and `steadied`. Implements `MediaOperator`.
    """

    version: ClassVar[int] = 1

    def __init__(self) -> None:
        self._models = ModelFiles()

    def find_models(self, models: ModelFiles) -> None:
        self._models = models

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        return checked_style(settings, inputs).model_dump(mode="json")

    def outputs(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return {lossless.PICTURE: "video/x-matroska", FLICKER: "application/json"}

    def toolchain(self, settings: Settings) -> Mapping[str, str]:
        names = [PREDICT, TRANSFORM] if _read(settings).picture else [MANY]
        files = [network_file(self._models, PIN, name) for name in names]
        networks = {f"weights {file.path.name}": file.sha256 for file in files}
        return libraries() | runtime() | versions() | {"pillow": PIL.__version__} | networks

    def divide(self, task: Task) -> Sequence[Part]:
        settings, film = _read(task.settings), _film(task)
        if settings.picture:
            # What is wrong with it is told before any part is begun.
            picture_of(task.inputs[settings.picture], settings.picture)
        lossless.check_sound(film.path)
        width, height = _seen_size(film, settings.lines)
        parts = parts_of(film.facts, film.facts.frames, settings.step(_PART_PIXELS // (width * height)))
        return [{**part, "lead_in": min(settings.lead_in, range_of(part).first)} for part in parts]

    def render(self, task: Task) -> None:
        assert task.part is not None, "`divide` always gives parts"
        film, flicker = _film(task), Flicker()
        target = written_as(film, film.target.width, film.target.height)
        made = self._made(task, film, flicker)
        lossless.write_part(task.folder / lossless.PICTURE, film.facts, target, made)
        (task.folder / FLICKER).write_text(json.dumps(flicker.as_json()))

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        film, flicker = _film(task), Flicker()
        target = written_as(film, film.target.width, film.target.height)
        files = [part / lossless.PICTURE for part in parts]
        lossless.join(task.folder / lossless.PICTURE, film.facts, target, files, film.path, task.report)
        for part in parts:
            flicker.add(Flicker(**json.loads((part / FLICKER).read_text())))
        (task.folder / FLICKER).write_text(json.dumps(flicker.means()) + "\n")

    def _made(self, task: Task, film: Film, flicker: Flicker) -> Iterator[list[Pixels]]:
        """The planes of each picture of a part. `flicker` has the sums when the last one was taken."""
        assert task.part is not None
        settings, wanted, lead_in = _read(task.settings), range_of(task.part), _lead_in(task.part)
        paint, steadying = self._painter(task, settings), Steadying(settings.steady)
        size = _seen_size(film, settings.lines)
        whole = Range(wanted.first - lead_in, lead_in + wanted.frames)
        for number, picture in enumerate(film.rgb(whole)):
            task.report(number / whole.frames)
            source = _resized(picture.astype(np.float32) / np.float32(np.iinfo(picture.dtype).max), size)
            result, pair = steadying.next(source, _painted(paint, source))
            if number >= lead_in:
                flicker.add(pair)
                yield rgb_planes(_mixed(picture, result, settings.strength))

    def _painter(self, task: Task, settings: RestyleSettings) -> Painter:
        if settings.picture:
            paths = [network_file(self._models, PIN, name).path for name in (PREDICT, TRANSFORM)]
            return painter_like(task.inputs[settings.picture], settings.picture, *paths)
        return painter_of(weights(settings.blend), network_file(self._models, PIN, MANY).path)


def _painted(paint: Painter, source: Floats) -> Floats:
    """Networks halve the sides twice: a mirrored edge makes them fit, and is cut off again."""
    height, width, _ = source.shape
    edges = ((0, -height % 4), (0, -width % 4), (0, 0))
    return paint(np.pad(source, edges, mode="reflect"))[:height, :width]


def _mixed(picture: Pixels, result: Floats, strength: float) -> Pixels:
    height, width, _ = picture.shape
    most = np.float32(np.iinfo(picture.dtype).max)
    styled = _resized(result, (width, height)) * most
    mixed = styled if strength == 1 else styled * np.float32(strength) + picture * np.float32(1 - strength)
    levels: Pixels = np.clip(np.rint(mixed), 0, most).astype(picture.dtype)
    return levels


def _resized(picture: Floats, size: tuple[int, int]) -> Floats:
    width, height = size
    if picture.shape[:2] == (height, width):
        return picture
    smaller = width * height < picture.shape[0] * picture.shape[1]
    resized: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    bounded: Floats = np.clip(resized, 0, 1)
    return bounded


def _seen_size(film: Film, lines: int) -> tuple[int, int]:
    """Width and height of what the networks see: no larger than the source, unless that is tiny."""
    width, height = film.target.width, film.target.height
    scale = min(1.0, lines / min(width, height), (_MOST_SEEN / (width * height)) ** 0.5)
    return max(_LEAST_SIDE, round(width * scale)), max(_LEAST_SIDE, round(height * scale))


def _film(task: Task) -> Film:
    path = task.inputs[_read(task.settings).input]
    film = rgb_film(path, known_facts(path, task.part))
    width, height = film.target.width, film.target.height
    if width * height > MAX_PIXELS:
        raise BadMedia(
            f"pictures of {width}x{height} are too large to be restyled: at most {MAX_PIXELS:,} pixels",
            code="too_many_pixels",
        )
    return film


def _lead_in(part: Part) -> int:
    lead_in = part["lead_in"]
    assert isinstance(lead_in, int), "`divide` wrote it"
    return lead_in


def _read(settings: Settings) -> RestyleSettings:
    return RestyleSettings.model_validate(dict(settings))
