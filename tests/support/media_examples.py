"""For each media operator of the registry: small work on inputs that it makes for itself, for the contract suite."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import platformdirs

from stream.media.catalogue import OperatorCatalogue
from stream.media.protocol import FOLLOWS, MediaOperator, Settings, Task
from stream.pipelines.jobs import models_in
from tests.support.numbered_clips import SIZE, numbered_frames

RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Example:
    """`make` writes the inputs into a folder. `parts`: the number of parts that the work has; 0 where it is done as a
    whole. `broken`: the input that hostile files replace, if the operator opens it. `weights`: pins that are needed.
    """

    settings: Settings
    make: Callable[[Path], Mapping[str, Path]]
    parts: int
    broken: str = ""
    weights: tuple[str, ...] = ()


def film_with_sound(
    folder: Path,
    *,
    seconds: float = 11.0,
    sound_s: float | None = None,
    beep_s: float = 2.0,
    levels: tuple[float, float, float] = (0.02, 0.5, 0.0),
) -> Mapping[str, Path]:
    """Numbered pictures with a GOP that fits no part; a quiet tone with a loud beep of 0.2 s."""
    path = folder / "source.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"g": "37", "bf": "2", "preset": "ultrafast"})
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.codec_context.thread_count = 1
        audio = container.add_stream("aac", rate=48_000, layout="stereo")
        assert isinstance(audio, av.AudioStream)
        for frame in [*numbered_frames(range(round(seconds * RATE)), 1 / RATE, "yuv420p", 0), None]:
            container.mux(video.encode(frame))
        for sound in [tone(sound_s or seconds, beep_s, levels), None]:
            container.mux(audio.encode(sound))
    return {"source": path}


def tone(seconds: float, beep_s: float, levels: tuple[float, float, float]) -> av.AudioFrame:
    """1 kHz in stereo at 48 kHz; the beep has the second level, and clicks of 1 ms twice a second the third."""
    quiet, loud, click = levels
    times = np.arange(round(seconds * 48_000)) / 48_000
    level = np.where((times >= beep_s) & (times < beep_s + 0.2), loud, quiet)
    level = np.where(times % 0.5 < 0.001, np.maximum(click, level), level)
    wave = (level * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    return frame


def latents_of_a_tiny_model(folder: Path) -> Mapping[str, Path]:
    """The model beside the folder, where `operator_beside` finds it, and what it denoised in two steps."""
    from tests.support.diffusion_pipelines import save_pipeline

    save_pipeline("wan", folder.with_name(f"{folder.name}-state") / "models" / "wan")
    operator = operator_beside("generate", folder)
    wanted: Settings = {"model": "hf:wan", "prompt": "a dance", "width": 32, "height": 32, "frames": 9, "steps": 2}
    outputs = made(operator, work(operator, {**wanted, "part_steps": 2}, {}, folder.with_name(f"{folder.name}-work")))
    (folder / "latents.safetensors").write_bytes(outputs["latents.safetensors"])
    return {"latents": folder / "latents.safetensors"}


def operator_beside(name: str, folder: Path) -> MediaOperator:
    """An operator of the registry. It finds fetched weights, and models below `<folder>-state/models`."""
    cache = Path(os.environ.get("RUSHES_CACHE") or platformdirs.user_cache_dir("rushes"))
    state = folder.with_name(f"{folder.name}-state")
    return OperatorCatalogue(models=models_in(state, cache)).operator(name)


def work(operator: MediaOperator, settings: Settings, inputs: Mapping[str, Path], folder: Path) -> Task:
    """A task of the whole in fresh folders."""
    checked = operator.check(settings, sorted(inputs))
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True)
    return Task(settings=checked, inputs=inputs, folder=folder / "out", scratch=folder / "scratch")


def made(operator: MediaOperator, task: Task, *, backwards: bool = False) -> dict[str, bytes]:
    """The outputs, by parts where there are some, each in a folder of its own, in either order."""
    make(operator, task, backwards=backwards)
    return {path.name: path.read_bytes() for path in sorted(task.folder.iterdir())}


def make(operator: MediaOperator, task: Task, *, backwards: bool = False) -> None:
    """As `made`; the outputs stay in the folder of the task."""
    parts = list(operator.divide(task))
    if not parts:
        operator.render(task)
    else:
        folders = [task.folder.parent / f"part-{number}" for number in range(len(parts))]
        order = list(zip(parts, [None, *folders], folders, strict=False))
        # What follows another part cannot come before it.
        backwards = backwards and not any(part.get(FOLLOWS) for part in parts)
        for part, before, folder in reversed(order) if backwards else order:
            folder.mkdir()
            follows = before if part.get(FOLLOWS) else None
            operator.render(replace(task, folder=folder, part=part, before=follows))
        operator.join(task, folders)


EXAMPLES: Mapping[str, Example] = {
    "composite": Example(
        settings={
            "width": 128,
            "height": 96,
            "duration": 5,
            "part_seconds": 2,
            "layers": [
                {"kind": "video", "input": "source", "fade_in": 1},
                {
                    "kind": "text",
                    "text": "ساعة Nova",
                    "language": "ar",
                    "shadow": {},
                    "slide_in": {"side": "left", "seconds": 3},
                },
                {
                    "kind": "end_card",
                    "start": 4,
                    "background": "#102030",
                    "layers": [{"kind": "qr", "content": "n", "width": 60, "height": 60}],
                },
            ],
            "sounds": [{"input": "source", "gain_db": -3, "fade_out": 1}],
        },
        make=film_with_sound,
        parts=4,
        broken="source",
    ),
    "decode-latents": Example(
        settings={"model": "hf:wan"},
        make=latents_of_a_tiny_model,
        parts=0,
        broken="latents",
    ),
    "generate": Example(
        settings={"model": "label-gan", "prompt": "a painted green eye", "frames": 24, "part_frames": 10},
        make=lambda _folder: {},
        parts=3,
        weights=("label-gan",),
    ),
    "interpolate": Example(
        settings={"fps": "30000/1001", "part_frames": 25},
        make=lambda folder: film_with_sound(folder, seconds=2.0),
        parts=3,
        broken="source",
    ),
    "package": Example(
        settings={
            "vast": {
                "ad_id": "ABCD1234567H",
                "title": "A & B",
                "url_prefix": "https://cdn.example/a/",
                "impression_url": "https://ads.example/i?a=1&b=2",
                "tracking_url": "https://ads.example/t?e={event}",
            }
        },
        make=film_with_sound,
        parts=0,
        broken="source",
    ),
    "restyle": Example(
        settings={"styles": {"blue-night": 2, "woodcut": 1}, "part_frames": 4},
        make=lambda folder: film_with_sound(folder, seconds=0.4),
        parts=3,
        broken="source",
        weights=("styletransfer",),
    ),
    "transcode": Example(
        settings={"profile": "h264_web", "sound": {"loudness": {"target_lufs": -23}}},
        make=film_with_sound,
        parts=3,
        broken="source",
    ),
    "upscale": Example(
        settings={"part_frames": 2},
        make=lambda folder: film_with_sound(folder, seconds=0.2),
        parts=3,
        broken="source",
        weights=("span",),
    ),
}
