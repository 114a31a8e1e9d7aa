"""`generate` with networks whose weights are pinned."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
import PIL

from stream.media.checking import no_inputs, validated
from stream.media.composite.intermediate import THREADS
from stream.media.generate.clip import CLIP_OUTPUTS, Clip, prompt_digest, write_facts
from stream.media.generate.networks import SIDE, Network, NetworkLoader
from stream.media.generate.settings import LABEL_GAN, NetworkSettings
from stream.media.generate.walk import walk
from stream.media.model_files import ModelFiles
from stream.media.protocol import Part, Settings, Task


class NetworkClips:
    """The methods of `MediaOperator` for networks whose weights are pinned: a clip. Parts are runs of pictures."""

    def __init__(self, models: ModelFiles) -> None:
        self._models = models

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        checked = validated(NetworkSettings, settings)
        no_inputs(inputs, checked.model)
        # Asked for now, so that a prompt that cannot be is refused before anything is queued.
        _ = checked.meaning
        return checked.model_dump(mode="json")

    def outputs(self) -> Mapping[str, str]:
        return CLIP_OUTPUTS

    def toolchain(self, settings: Settings) -> Mapping[str, str]:
        checked = _read(settings)
        return {
            "av": av.__version__,
            "ffmpeg": av.ffmpeg_version_info,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "threads": str(THREADS),
            "weights": self._models.weight(checked.model).sha256,
            **_runtime(checked.model),
        }

    def divide(self, task: Task) -> Sequence[Part]:
        settings = _read(task.settings)
        runs = _runs(settings)
        return [{"start": start, "count": count} for start, count in runs] if len(runs) > 1 else []

    def render(self, task: Task) -> None:
        settings = _read(task.settings)
        start, count = (0, settings.frames) if task.part is None else _range(task.part)
        network = self._network(settings)
        noises = walk(task.seed, network.shape, start, count, settings.leg)
        pictures = (network.picture(noise) for noise in noises)
        task.report(0.0)
        for done in _clip(settings).write(task.folder, pictures, start):
            task.report(done / count)
        if task.part is None:
            self._write_facts(settings, task)

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        settings = _read(task.settings)
        for done in _clip(settings).join(task.folder, parts):
            task.report(done / settings.frames)
        self._write_facts(settings, task)

    def _network(self, settings: NetworkSettings) -> Network:
        return _loader(settings.model)(self._models.weight(settings.model).path, settings.meaning)

    def _write_facts(self, settings: NetworkSettings, task: Task) -> None:
        write_facts(
            task.folder,
            model=settings.model,
            digest=self._models.weight(settings.model).sha256,
            prompt_sha256=prompt_digest(settings.prompt),
            seed=task.seed,
            more={"frames": settings.frames, "width": SIDE, "height": SIDE},
        )


def _read(settings: Settings) -> NetworkSettings:
    return NetworkSettings.model_validate(dict(settings))


def _clip(settings: NetworkSettings) -> Clip:
    return Clip(SIDE, SIDE, settings.fps, settings.frames)


def _runs(settings: NetworkSettings) -> list[tuple[int, int]]:
    """First picture and number of pictures of each part."""
    step = settings.part_frames
    return [(start, min(step, settings.frames - start)) for start in range(0, settings.frames, step)]


def _range(part: Part) -> tuple[int, int]:
    start, count = part["start"], part["count"]
    assert isinstance(start, int) and isinstance(count, int)
    return start, count


def _loader(model: str) -> NetworkLoader:
    # Here, as torch takes seconds and half a gigabyte, and children that compose pictures do not need it.
    if model == LABEL_GAN:
        from stream.media.generate.label_gan import LabelGan

        return LabelGan
    from stream.media.generate.terrain import Terrain

    return Terrain


def _runtime(model: str) -> Mapping[str, str]:
    return {"torch": version("torch")} if model == LABEL_GAN else {"onnxruntime": version("onnxruntime")}
