"""Metrics of what is stored and of what the models say. They hold numbers, never content."""

import shutil
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from stream.events.annotations import Annotations
from stream.events.grid import SECOND_NS
from stream.metrics import Metrics
from stream.stage import Stage


def watch_scores(metrics: Metrics, annotations: Annotations) -> None:
    """Count one cell. What is tried again is counted again."""
    header, rows = annotations.header, annotations.rows
    metrics.annotated.inc((header.end_ns - header.start_ns) / SECOND_NS)
    tagger, moderator = metrics.scores.labels("tagger"), metrics.scores.labels("moderator")
    for tags in rows["tags"].to_pylist():
        if tags:
            tagger.observe(max(tag["score"] for tag in tags))
    for score in rows["moderation_nsfw"].to_pylist():
        if score is not None:
            moderator.observe(score)


def watch_stores(metrics: Metrics, stores: Mapping[str, Path], stages: Iterable[Stage]) -> None:
    """Measure the stores that these stages write whenever the metrics are asked for."""
    for stage in stages:
        if stage.name in stores:
            directory = stores[stage.name]
            metrics.store_bytes.labels(stage.name).set_function(partial(stored_bytes, directory))
            metrics.store_free.labels(stage.name).set_function(partial(free_bytes, directory))


def stored_bytes(directory: Path) -> float:
    """Bytes of all files below; a file that is removed meanwhile counts nothing."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return float(total)


def free_bytes(directory: Path) -> float:
    """Of the disk under `directory`, which need not exist yet."""
    while not directory.exists():
        directory = directory.parent
    return float(shutil.disk_usage(directory).free)
