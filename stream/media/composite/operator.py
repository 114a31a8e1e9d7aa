"""The media operator `composite`."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import PIL
import segno
from PIL import features

from stream.media.composite.font_files import package_versions
from stream.media.composite.intermediate import THREADS, packets, silence, writing
from stream.media.composite.mixing import mixed, written
from stream.media.composite.renderer import frames, save_no_poster, save_poster
from stream.media.composite.settings import CompositeSettings
from stream.media.composite.shapes import KnownShapes
from stream.media.composite.type import require_raqm
from stream.media.protocol import Part, Settings, Task

PICTURE, POSTER = "picture.mkv", "poster.png"
_LIBRARIES = ("freetype2", "raqm", "harfbuzz", "fribidi", "littlecms2", "libjpeg_turbo", "zlib", "webp")


class Composite:
    """Layers to `picture.mkv` (FFV1 and PCM) and `poster.png`. Implements `MediaOperator`.

    Its parts are runs of frames, and one part with all sound where there is any. A part that does not hold the poster's
    frame has a poster of one pixel. A run begins to decode its footage by
    itself, in the whole render too: so both see the same pictures, whatever a file's index says.
    """

    version: ClassVar[int] = 1

    def __init__(self) -> None:
        self._shapes = KnownShapes()

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        return self._shapes.checked(settings, inputs)

    def outputs(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return {PICTURE: "video/x-matroska", POSTER: "image/png"}

    def megapixels(self, settings: Settings, inputs: Mapping[str, float]) -> float:  # noqa: ARG002 - the protocol's
        # They were checked: to read a hundred thousand rows of them twice takes minutes.
        known: dict[str, Any] = dict(settings)
        read = CompositeSettings.model_construct(**known)
        return read.frames * read.width * read.height / 1e6

    def toolchain(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return _toolchain()

    def preview(self, settings: Settings) -> tuple[Part, str]:
        frame = CompositeSettings.model_validate(settings).poster_frame
        return {"kind": "frames", "start": frame, "count": 1}, POSTER

    def divide(self, task: Task) -> Sequence[Part]:
        settings = _read(task)
        runs: list[Part] = [{"kind": "frames", "start": start, "count": count} for start, count in _runs(settings)]
        return [*runs, {"kind": "sound"}] if settings.sounds else runs

    def render(self, task: Task) -> None:
        settings = _read(task)
        target = task.folder / PICTURE
        if task.part is None:
            sounds = _sounds(settings, task) if settings.sounds else silence(settings)
            with writing(target, settings) as file:
                for start, count in _runs(settings):
                    pictures = _drawn(settings, task, start, count, start / settings.frames)
                    for index, canvas in enumerate(pictures, start):
                        file.put(index, file.encoded(canvas), next(sounds))
        elif task.part["kind"] == "sound":
            with writing(target, settings, pictures=False) as file:
                for index, sound in enumerate(_sounds(settings, task)):
                    file.put(index, None, sound)
                    task.report((index + 1) / settings.frames)
            save_no_poster(task.folder / POSTER)
        else:
            start, count = _range(task.part)
            with writing(target, settings, sound=False) as file:
                for index, canvas in enumerate(_drawn(settings, task, start, count, 0.0)):
                    file.put(index, file.encoded(canvas), None)
            if not start <= settings.poster_frame < start + count:
                save_no_poster(task.folder / POSTER)

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        settings = _read(task)
        runs = _runs(settings)
        sounds = packets(parts[len(runs)] / PICTURE, "audio") if settings.sounds else silence(settings)
        pictures = (packet for part in parts[: len(runs)] for packet in packets(part / PICTURE, "video"))
        with writing(task.folder / PICTURE, settings) as file:
            for index, (picture, sound) in enumerate(zip(pictures, sounds, strict=True)):
                file.put(index, picture, sound)
                task.report((index + 1) / settings.frames)
        for part, (start, count) in zip(parts, runs, strict=False):
            if start <= settings.poster_frame < start + count:
                (task.folder / POSTER).write_bytes((part / POSTER).read_bytes())


@cache
def _toolchain() -> Mapping[str, str]:
    """Raises `Unavailable` (`toolchain_lacks`)."""
    require_raqm()
    versions = {name: ".".join(str(step) for step in version) for name, version in av.library_versions.items()}
    versions |= {
        "av": av.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "segno": segno.__version__,
    }
    versions |= {name: str(features.version(name)) for name in _LIBRARIES}
    return {**versions, **package_versions(), "threads": str(THREADS)}


def _read(task: Task) -> CompositeSettings:
    return CompositeSettings.model_validate(task.settings)


def _runs(settings: CompositeSettings) -> list[tuple[int, int]]:
    """First frame and number of frames of each part."""
    step = settings.part_frames
    return [(start, min(step, settings.frames - start)) for start in range(0, settings.frames, step)]


def _range(part: Part) -> tuple[int, int]:
    start, count = part["start"], part["count"]
    assert isinstance(start, int) and isinstance(count, int)
    return start, count


def _drawn(
    settings: CompositeSettings, task: Task, start: int, count: int, base: float
) -> "Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]":
    """The frames of a run; the poster is saved on the way, and progress is told."""
    whole = settings.frames if task.part is None else count
    done = base

    def tick() -> None:
        task.report(done)

    for index, canvas in enumerate(frames(settings, task.inputs, start, count, tick)):
        if start + index == settings.poster_frame:
            save_poster(canvas, task.folder / POSTER)
        yield canvas
        done = base + (index + 1) / whole
        task.report(min(1.0, done))


def _sounds(settings: CompositeSettings, task: Task) -> Iterator[bytes]:
    """The sound of each frame."""
    done = 0.0
    blocks = mixed(settings, task.inputs, lambda: task.report(done))
    rest = np.zeros((0, 2), np.float32)
    for frame in range(settings.frames):
        samples = settings.sample_at(frame + 1) - settings.sample_at(frame)
        while len(rest) < samples:
            rest = np.concatenate([rest, next(blocks)])
        yield written(rest[:samples], settings.sample_bits)
        rest = rest[samples:]
