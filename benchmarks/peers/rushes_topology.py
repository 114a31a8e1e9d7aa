"""rushes over the same files with the same tagger: the whole topology, with stand-ins that cost next to nothing for
the models the peers do not run.

What it does in addition: the dense view (profile `full`), sandboxed decode, moments with thumbnails and vectors, the
searchable index, a ledger in two stores. Its rows are moments, not frames.
"""

import tempfile
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.footage import cache
from benchmarks.peers.task import CORES, Job
from sinks.delta.store import DeltaStore
from stream.clock import SystemClock
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.pipelines.settings import ModelChoice, Settings
from stream.sessions.embedded import Embedded

MODELS = ModelChoice(
    shots="hashing", tagger="benchmarks.peers.onnx_tagger:OnnxTagger", moderator="hashing", embedder="hashing"
)


def main() -> None:
    job, clock = Job.from_command_line(), SystemClock()
    with tempfile.TemporaryDirectory() as state:
        settings = Settings(
            state_dir=Path(state),
            cache_dir=cache().directory,
            roots=tuple(Path(file).parent for file in job.files),
            models=MODELS,
            decode_children=CORES,
            model_threads=CORES,
        )
        with Embedded(settings, clock) as run:
            data = [AssetPublished(uri=file, profile=job.profile) for file in job.files]
            run.publish(Event(item, "bench", "bench", item.identity(), clock.now_ms()) for item in data)
            finished = run.run(threading.Event(), lambda _progress, _paused: None)
        if not finished:
            raise SystemExit("some records were not acknowledged")
        _export(settings.parquet_dir.directory, Path(job.out))


def _export(store: Path, out: Path) -> None:
    delta = DeltaStore(store)
    delta.open()
    (space,) = delta.spaces()
    keys = set(delta.cells()["asset_key"].to_pylist())
    moments: pa.Table = delta.rows(keys, space.key, ["uri", "start_ns", "tags", "sample_count"])
    rows: list[dict[str, Any]] = [
        {
            "uri": row["uri"],
            "time_s": row["start_ns"] / 1e9,
            "tags": [tag["label"] for tag in row["tags"]],
            "frames": row["sample_count"],
        }
        for row in moments.to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(rows), out / "moments.parquet")


if __name__ == "__main__":
    main()
