"""Does the understand stage keep the accelerator as busy as the models alone do? And what is left of it end to end?

python -m benchmarks.gpu_understand [--quick] [--device auto|cpu|cuda]

Frame events are recorded by decoding a sample clip in the same run and fed from memory. Without an accelerator it runs
on the CPU, where its figures say little but that it works.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.footage import DECODE_CHILDREN, MODEL_THREADS, cache, long_clip, short_clip, span_of
from benchmarks.harness import Report
from benchmarks.options import ROUNDS
from benchmarks.warm import warm_topology
from decoders.sandbox.pool import DecodePool
from decoders.sources.policy import SourcePolicy
from models.bundle import Bundle
from models.device.batches import PictureBatches
from models.device.device import device_for
from models.pictures.colour import images_of
from models.protocol import Image, Predictions
from models.registry import ModelContext
from models.registry import load as loaded
from stream.events.asset import SpanPlanned
from stream.events.base import Event
from stream.events.frames import Frames
from stream.events.grid import SECOND_NS, SEGMENT_NS
from stream.operators.understand import UnderstandOperator
from stream.pipelines.settings import Device
from stream.pipelines.understanding import CUDA_BATCH, CUDA_THREADS

CLIP_S = 60.0
ACCELERATOR_CLIP_S = 1_680.0
SPAN_CELLS = 3  # a few spans for each decoder
MOST_CELLS = 64  # kept in memory
TARGET = 0.8
FAMILIES = {"shots": "transnetv2", "tagger": "efficientnet-lite0", "moderator": "open-nsfw", "embedder": "conse"}


@dataclass(frozen=True, slots=True)
class Load:
    """`cells` are fed from memory; a clip of `clip_s` goes through everything, decoded by so many `children`."""

    device: str
    rounds: int
    cells: int
    clip_s: float
    children: int
    threads: int


def measure(load: Load) -> Report:
    report = Report(
        f"Understand beside the networks alone ({_name(load.device)}, batches of {CUDA_BATCH.max_records} cells,"
        f" {load.threads} host threads, {load.children} decode children, spans of {SPAN_CELLS} cells)"
    )
    context = ModelContext(cache(), load.threads, load.device)
    bundle = Bundle(*(loaded(family, name, context) for family, name in FAMILIES.items()), device=load.device)
    with tempfile.TemporaryDirectory() as folder:
        clip = long_clip(Path(folder), load.clip_s)
        cells, decode_rate = _recorded(clip, load.children)
        bundle.open()
        repeated = (cells * -(-load.cells // len(cells)))[: load.cells]
        stage_rate, network_rate = _rates(bundle, [_event(cell) for cell in repeated], load.rounds)
        bundle.close()
        report.add(
            "understand, fed from memory, video-s per s", stage_rate, "s/s",
            limit=f"networks alone, same batch: {network_rate:.4g} s/s",
            note=f"{stage_rate / network_rate:.2f} of it, target {TARGET}",
        )  # fmt: skip
        whole_rate = _end_to_end(clip, Path(folder), load)
    report.add(
        "end to end, asset to searchable, video-s per s", whole_rate, "s/s",
        limit=f"decode alone: {decode_rate:.4g} s/s",
        note=f"{whole_rate / min(decode_rate, network_rate):.2f} of the slower of decode and networks",
    )  # fmt: skip
    return report


def _recorded(clip: Path, children: int) -> tuple[list[Frames], float]:
    """Cells of the clip, and the video-seconds that so many children decode in a second, warm."""
    policy = SourcePolicy(roots=(str(clip.parent),))
    with DecodePool(children=children, policy=policy) as pool, ThreadPoolExecutor(children) as threads:
        whole = span_of(clip, pool.inspect(str(clip)), "full")
        count = whole.segment_count
        spans = [
            whole.model_copy(update={"first_segment": first, "end_segment": min(first + SPAN_CELLS, count)})
            for first in range(0, count, SPAN_CELLS)
        ]
        list(threads.map(lambda span: _decoded(pool, span.narrowed(span.first_segment)), spans))
        start_s = time.monotonic()
        cells = [cell for part in threads.map(lambda span: _decoded(pool, span), spans) for cell in part]
        return cells[:MOST_CELLS], _video_s(cells) / (time.monotonic() - start_s)


def _decoded(pool: DecodePool, span: SpanPlanned) -> list[Frames]:
    return [Frames.from_bytes(item.value) for item in pool.decode(span)]


def _event(cell: Frames) -> Event[Frames]:
    return Event(cell, tenant="bench", project="bench", subject=cell.span.asset.asset_id, event_time_ms=0)


def _rates(bundle: Bundle, events: Sequence[Event[Frames]], rounds: int) -> tuple[float, float]:
    """Video-seconds in a second: the operator over batches, and the networks over inputs made beforehand."""
    operator = UnderstandOperator(bundle, epoch_ms=1)
    size = CUDA_BATCH.max_records
    batches = [events[first : first + size] for first in range(0, len(events), size)]
    prepared = [Prepared.of(batch, bundle) for batch in batches]

    def stage() -> None:
        for batch in batches:
            list(operator.process(batch))

    def networks() -> None:
        for made in prepared:
            made.run(bundle)

    video_s = _video_s([cell for made in prepared for cell in made.cells])
    stage_s, network_s = _alternating(stage, networks, rounds)
    return video_s / stage_s, video_s / network_s


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the networks see of a batch. On a CPU, where a model prepares its pictures itself, they are the samples."""

    cells: list[Frames]
    images: list[Image]
    tagged: list[Image]
    moderated: list[Image]

    @classmethod
    def of(cls, batch: Sequence[Event[Frames]], bundle: Bundle) -> "Prepared":
        cells = [event.data for event in batch]
        images = [image for cell in cells for image in images_of(cell)]
        seen = [_seen(model, images) for model in (bundle.tagger, bundle.moderator)]
        return cls(cells, images, *seen)

    def run(self, bundle: Bundle) -> None:
        for cell in self.cells:
            if cell.dense is not None:
                bundle.shots.cut_probabilities(cell.dense)
        tags, moderation = _batches(bundle.tagger), _batches(bundle.moderator)
        predictions = bundle.tagger.predict(self.tagged) if tags is None else Predictions(*tags.forwarded(self.tagged))
        bundle.embedder.embed(self.images, predictions)
        bundle.embedder.embed_images(self.images, predictions)
        if moderation is None:
            bundle.moderator.nsfw(self.moderated)
        else:
            moderation.forwarded(self.moderated)


def _seen(model: object, images: Sequence[Image]) -> list[Image]:
    batches = _batches(model)
    return list(images if batches is None else batches.prepared(images))


def _batches(model: object) -> PictureBatches | None:
    return getattr(model, "batches", None)


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


def _end_to_end(clip: Path, folder: Path, load: Load) -> float:
    device: Device = "cuda" if load.device == "cuda" else "cpu"
    span_s = SPAN_CELLS * SEGMENT_NS / SECOND_NS
    with warm_topology(
        folder, short_clip(), model_device=device, decode_children=load.children, max_span_s=span_s
    ) as topology:
        start_s = time.monotonic()
        topology.ingest(clip, "long", "full")
        return load.clip_s / (time.monotonic() - start_s)


def _name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device == "cuda" else "on the CPU"


def _video_s(cells: Sequence[Frames]) -> float:
    return sum(end - start for start, end in (cell.range_ns for cell in cells)) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round over two cells")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args()
    device = device_for(options.device)
    rounds, cells = (1, 2) if options.quick else (ROUNDS, CUDA_BATCH.max_records * 4)
    if device == "cpu":
        load = Load(device, rounds, cells, CLIP_S, DECODE_CHILDREN, MODEL_THREADS)
    else:
        load = Load(device, rounds, cells, ACCELERATOR_CLIP_S, max(1, (os.cpu_count() or 1) - 2), CUDA_THREADS)
    report = measure(load)
    report.show()
    report.write(f"gpu_understand_{device}")


if __name__ == "__main__":
    main()
