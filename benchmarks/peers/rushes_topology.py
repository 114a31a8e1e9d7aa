"""rushes over the same files with the same tagger, looking for tags alone: the whole topology with its stores.

What it does in addition: sandboxed decode, moments with thumbnails, the searchable index, a ledger in two stores. Its
rows are moments, not frames: each has the tags of up to ten frames together.
"""

import threading
from pathlib import Path

from benchmarks.footage import cache
from benchmarks.peers.task import CORES, Job
from stream.children.loading import before_exit, begin_loading
from stream.clock import SystemClock
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.pipelines.settings import ModelChoice, Settings
from stream.sessions.embedded import Embedded

TAGS = ModelChoice(tagger="benchmarks.peers.onnx_tagger:OnnxTagger").looking_for(["tags"])


def settings_of(job: Job, models: ModelChoice = TAGS) -> Settings:
    """Its stores, and so its Parquet files, lie where every peer writes."""
    return Settings(
        state_dir=Path(job.out),
        cache_dir=cache().directory,
        roots=tuple({Path(file).resolve().parent for file in job.files}),
        models=models,
        decode_children=CORES,
        model_threads=CORES,
    )


def ingest(job: Job, models: ModelChoice = TAGS) -> None:
    begin_loading()  # as the command line does
    clock = SystemClock()
    with Embedded(settings_of(job, models), clock) as run:
        data = [AssetPublished(uri=file, profile=job.profile) for file in job.files]
        run.publish(Event(item, "bench", "bench", item.identity(), clock.now_ms()) for item in data)
        finished = run.run(threading.Event(), lambda _progress, _paused: None)
    before_exit()
    if not finished:
        raise SystemExit("some records were not acknowledged")


if __name__ == "__main__":
    ingest(Job.from_command_line())
