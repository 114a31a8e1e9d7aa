"""Does the understand stage keep the accelerator as busy as the models alone do? And what is left of it end to end?

python -m benchmarks.gpu_understand [--quick] [--device auto|cpu|cuda]

Frame events are recorded by decoding a sample clip in the same run and fed from memory. Without an accelerator it runs
on the CPU, where its figures say little but that it works.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.footage import DECODE_CHILDREN, MODEL_THREADS, cache, decoded, long_clip, short_clip
from benchmarks.harness import Report
from benchmarks.options import ROUNDS
from benchmarks.warm import warm_topology
from decoders.sandbox import DecodePool
from decoders.source import SourcePolicy
from models.bundle import Bundle
from models.colour import images_of
from models.device import device_for
from models.protocol import Image
from models.registry import ModelContext, load
from stream.events.base import Event
from stream.events.frames import Frames
from stream.pipelines.understand import UnderstandOperator
from stream.pipelines.understanding import CUDA_BATCH
from stream.settings import Device

CLIP_S = 60.0
TARGET = 0.8
FAMILIES = {"shots": "transnetv2", "tagger": "efficientnet-lite0", "moderator": "open-nsfw", "embedder": "conse"}


def measure(device: str, rounds: int, cells_wanted: int) -> Report:
    report = Report(f"Understand beside the models alone (device {device}, batches of {CUDA_BATCH.max_records} cells)")
    context = ModelContext(cache(), MODEL_THREADS, device)
    made = [load(family, name, context) for family, name in FAMILIES.items()]
    bundle = Bundle(*made, device=device)
    with tempfile.TemporaryDirectory() as folder:
        clip = long_clip(Path(folder), CLIP_S)
        cells, decode_rate = _recorded(clip)
        bundle.open()
        events = [_event(cell) for cell in (cells * cells_wanted)[:cells_wanted]]
        stage_rate, model_rate = _rates(bundle, events, rounds)
        bundle.close()
        report.add(
            "understand, fed from memory, video-s per s", stage_rate, "s/s",
            limit=f"models alone, same batch: {model_rate:.4g} s/s",
            note=f"{stage_rate / model_rate:.2f} of it, target {TARGET}",
        )  # fmt: skip
        whole_rate = _end_to_end(clip, Path(folder), device)
    report.add(
        "end to end, asset to searchable, video-s per s", whole_rate, "s/s",
        limit=f"decode alone: {decode_rate:.4g} s/s",
        note=f"{whole_rate / min(decode_rate, model_rate):.2f} of the slower of decode and models",
    )  # fmt: skip
    return report


def _recorded(clip: Path) -> tuple[list[Frames], float]:
    """Every cell of the clip, and the video-seconds that decode gave in a second, its children warm."""
    with DecodePool(children=DECODE_CHILDREN, policy=SourcePolicy(roots=(str(clip.parent),))) as pool:
        decoded(pool, clip, "fast")
        start_s = time.monotonic()
        cells = decoded(pool, clip, "full")
        return cells, _video_s(cells) / (time.monotonic() - start_s)


def _event(cell: Frames) -> Event:
    return Event(cell, tenant="bench", project="bench", subject=cell.span.asset.asset_id, event_time_ms=0)


def _rates(bundle: Bundle, events: Sequence[Event], rounds: int) -> tuple[float, float]:
    """Video-seconds in a second: the operator over batches, and the networks over inputs made beforehand."""
    operator = UnderstandOperator(bundle, epoch_ms=1)
    size = CUDA_BATCH.max_records
    batches = [events[first : first + size] for first in range(0, len(events), size)]
    prepared = [_inputs(batch) for batch in batches]

    def stage() -> None:
        for batch in batches:
            list(operator.process(batch))

    def models() -> None:
        for cells, images in prepared:
            for cell in cells:
                if cell.dense is not None:
                    bundle.shots.cut_probabilities(cell.dense)
            predictions = bundle.tagger.predict(images)
            bundle.embedder.embed(images, predictions)
            bundle.embedder.embed_images(images, predictions)
            bundle.moderator.nsfw(images)

    video_s = _video_s([cell for cells, _ in prepared for cell in cells])
    stage_s, model_s = _alternating(stage, models, rounds)
    return video_s / stage_s, video_s / model_s


def _inputs(batch: Sequence[Event]) -> tuple[list[Frames], list[Image]]:
    cells = [event.data for event in batch if isinstance(event.data, Frames)]
    return cells, [image for cell in cells for image in images_of(cell)]


def _alternating(first: Callable[[], None], second: Callable[[], None], rounds: int) -> tuple[float, float]:
    """Median seconds of each, in turn, after one round to warm up."""
    took: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        start_s = time.monotonic()
        first()
        middle_s = time.monotonic()
        second()
        took.append((middle_s - start_s, time.monotonic() - middle_s))
    return median(item[0] for item in took[1:]), median(item[1] for item in took[1:])


def _end_to_end(clip: Path, folder: Path, device: str) -> float:
    with warm_topology(folder, short_clip(), model_device=_choice(device)) as topology:
        start_s = time.monotonic()
        topology.ingest(clip, "long", "full")
        return CLIP_S / (time.monotonic() - start_s)


def _choice(device: str) -> Device:
    return "cuda" if device == "cuda" else "cpu"


def _video_s(cells: Sequence[Frames]) -> float:
    return sum(end - start for start, end in (cell.range_ns for cell in cells)) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round over one batch")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args()
    device = device_for(options.device)
    size = CUDA_BATCH.max_records
    report = measure(device, 1 if options.quick else ROUNDS, 2 if options.quick else size * 4)
    report.show()
    report.write(f"gpu_understand_{device}")


if __name__ == "__main__":
    main()
