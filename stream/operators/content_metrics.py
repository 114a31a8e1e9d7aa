"""Metrics of what is stored and of what the models say. They hold numbers, never content."""

import os
import shutil
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from stream.clock import Clock
from stream.events.annotations import Annotations
from stream.events.grid import SECOND_NS
from stream.observability.metrics import Metrics
from stream.topology.stage import Stage


def watch_scores(metrics: Metrics, annotations: Annotations) -> None:
    """Count one cell. What is tried again is counted again."""
    header, rows = annotations.header, annotations.rows
    metrics.annotated.inc((header.end_ns - header.start_ns) / SECOND_NS)
    # The best tag of a moment: a drift of it shows that footage, weights or decoding changed.
    tagger, moderator = metrics.scores.labels("tagger"), metrics.scores.labels("moderator")
    for tags in rows["tags"].to_pylist():
        if tags:
            tagger.observe(max(tag["score"] for tag in tags))
    for score in rows["moderation_nsfw"].to_pylist():
        if score is not None:
            moderator.observe(score)


class StoreSizes:
    """Measures the stores that `stages` write, from beside the workers: no scrape walks a disk.

    A walk is repeated every `interval_s`, or as rarely as it takes to spend a twentieth of the time on it.
    """

    def __init__(
        self,
        metrics: Metrics,
        stores: Mapping[str, Path],
        stages: Iterable[Stage],
        clock: Clock,
        *,
        interval_s: float = 60.0,
    ) -> None:
        self._metrics = metrics
        self._stores = {stage.name: stores[stage.name] for stage in stages if stage.name in stores}
        self._clock = clock
        self._interval_s = interval_s

    def run(self, stop: threading.Event) -> None:
        """At once, and again until `stop`, which also ends a walk."""
        while not stop.wait(self.step(stop)):
            pass

    def step(self, stop: threading.Event) -> float:
        """Measure once; how many seconds to rest."""
        began_s = self._clock.monotonic_s()
        for name, directory in self._stores.items():
            self._metrics.store_free.labels(name).set(free_bytes(directory))
            found = stored_bytes(directory, stop)
            # A walk that was cut off has counted too little, and a dashboard would show a drop.
            if not stop.is_set():
                self._metrics.store_bytes.labels(name).set(found)
        return max(self._interval_s, 19 * (self._clock.monotonic_s() - began_s))


def stored_bytes(directory: Path, stop: threading.Event) -> int:
    """Bytes of all files below, as far as the walk came before `stop`; what is removed meanwhile counts nothing."""
    total, folders = 0, [directory]
    while folders and not stop.is_set():
        # Compaction removes files and folders while they are walked.
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                # Links are not followed: they may lead out of the store, or round in a circle.
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry))
                    continue
                with suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def free_bytes(directory: Path) -> int:
    """Of the disk under `directory`, which need not exist yet."""
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory).free
