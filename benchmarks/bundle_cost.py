"""What does each model cost inside the bundle, beside the bare network and the published one (torch eager)?

python -m benchmarks.bundle_cost [--quick]
"""

import tempfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from benchmarks.bare_models import BareNetworks, Inputs
from benchmarks.footage import MODEL_THREADS, cache, decoded, long_clip
from benchmarks.harness import Cost, Report, cpu_ratio, in_rounds, median_cpu_s
from benchmarks.options import rounds_wanted
from benchmarks.published import PublishedNetworks
from decoders.sandbox.pool import DecodePool
from decoders.sources.policy import SourcePolicy
from models.bundle import Bundle
from models.pictures.colour import images_of
from models.registry import ModelContext, load
from stream.events.frames import Frames

VIDEO_S = 10.0  # one whole cell
# The system counts CPU time in 10 ms: what is short is done many times over.
REPEATS = {"tags": 4, "moderation": 2, "embedding": 300}
WORDS = 60
UNITS = {"shots": "window of 100 ticks", "tags": "image", "moderation": "image", "embedding": "image"}


def opened_bundle() -> Bundle:
    """The default models, opened and warm."""
    context = ModelContext(cache(), MODEL_THREADS)
    bundle = Bundle(
        load("shots", "transnetv2", context),
        load("tagger", "efficientnet-lite0", context),
        load("moderator", "open-nsfw", context),
        load("embedder", "conse", context),
    )
    bundle.open()
    return bundle


def measure(rounds: int) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = long_clip(Path(folder), VIDEO_S)
        with DecodePool(children=1, policy=SourcePolicy(roots=(folder,))) as pool:
            cells = decoded(pool, path, "full")[:1]
    inputs = Inputs.of(cells)
    counts = {role: len(inputs.windows if role == "shots" else inputs.tags) for role in UNITS}
    costs = _costs(cells, inputs, rounds)
    report = Report(
        f"Models in the bundle beside the bare networks (CPU, {MODEL_THREADS} threads, one cell of "
        f"{VIDEO_S:.0f} s, median of {rounds})"
    )
    for role, unit in UNITS.items():
        report.add(
            f"{role}, CPU-ms a {unit}",
            1000 * median_cpu_s(costs[role]) / counts[role],
            "ms",
            limit=f"bare {1000 * median_cpu_s(costs[f'bare {role}']) / counts[role]:.4g} ms",
            note=f"{cpu_ratio(costs, role, f'bare {role}'):.2f}x",
        )
    for role, unit in (("shots", UNITS["shots"]), ("tags", "image"), ("words", "sentence")):
        count = counts.get(role, WORDS)
        report.add(
            f"{role} before (torch eager, as published), CPU-ms a {unit}",
            1000 * median_cpu_s(costs[f"eager {role}"]) / count,
            "ms",
            limit=f"now {1000 * median_cpu_s(costs[f'bare {role}']) / count:.4g} ms",
            note=f"now {cpu_ratio(costs, f'bare {role}', f'eager {role}'):.2f}x",
        )
    report.add(
        "whole bundle, CPU-s per video-second",
        median_cpu_s(costs["bundle"]) / VIDEO_S,
        "s",
        limit=f"bare networks {sum(median_cpu_s(costs[f'bare {role}']) for role in UNITS) / VIDEO_S:.4g} s",
        note=f"{cpu_ratio(costs, 'bundle', *(f'bare {role}' for role in UNITS)):.2f}x",
    )
    return report


def _costs(cells: list[Frames], inputs: Inputs, rounds: int) -> dict[str, list[Cost]]:
    bundle, bare, eager = opened_bundle(), BareNetworks(), PublishedNetworks(cache())
    words = bare.text
    sentences = list(bundle.tagger.labels[:WORDS])
    tokens = words.tokens(sentences)
    images = [image for cell in cells for image in images_of(cell)]
    predictions = bundle.tagger.predict(images)
    dense = [cell.dense for cell in cells if cell.dense is not None]
    bundle.annotate(cells[:1], epoch_ms=1)
    bare.all(Inputs.of(cells[:1]))
    costs = in_rounds(
        {
            "shots": lambda: [bundle.shots.cut_probabilities(item) for item in dense],
            "bare shots": lambda: bare.shots(inputs.windows),
            "tags": lambda: _repeat("tags", lambda: bundle.tagger.predict(images)),
            "bare tags": lambda: _repeat("tags", lambda: bare.tags(inputs.tags)),
            "moderation": lambda: _repeat("moderation", lambda: bundle.moderator.nsfw(images)),
            "bare moderation": lambda: _repeat("moderation", lambda: bare.nsfw(inputs.nsfw)),
            "embedding": lambda: _repeat("embedding", lambda: bundle.embedder.embed(images, predictions)),
            "bare embedding": lambda: _repeat("embedding", lambda: bare.conse(predictions.probabilities)),
            "bundle": lambda: bundle.annotate(cells, epoch_ms=1),
            "eager shots": lambda: eager.shots(inputs.windows),
            "eager tags": lambda: _repeat("tags", lambda: eager.tags(inputs.tags)),
            "bare words": lambda: [words.embed([sentence]) for sentence in sentences],
            "eager words": lambda: eager.words(tokens),
        },
        rounds,
    )
    for role, count in REPEATS.items():
        for cost in chain(*(costs.get(f"{kind}{role}", []) for kind in ("", "bare ", "eager "))):
            cost.cpu_s /= count
    return costs


def _repeat(role: str, call: Callable[[], object]) -> None:
    for _ in range(REPEATS[role]):
        call()


if __name__ == "__main__":
    found = measure(rounds_wanted(__doc__))
    found.show()
    found.write("bundle_cost")
