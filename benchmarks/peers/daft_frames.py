"""Daft: PyAV and the tagger in a generator method that runs in processes, `write_parquet`.

Not `daft.read_video_frames`: over more than one file it does not come back (daft 0.7.26, native runner).
"""

from collections.abc import Iterator
from typing import Any

import daft
from daft import DataType, col

from benchmarks.peers.task import CORES, FrameTagger, Job, frames_of

TAGGED = DataType.struct({"time_s": DataType.float64(), "tags": DataType.list(DataType.string())})


@daft.cls(max_concurrency=CORES, use_process=True)
class Tagger:
    def __init__(self, model: str, profile: str) -> None:
        self._tagger = FrameTagger(model, threads=1)
        self._profile = profile

    @daft.method(return_dtype=TAGGED)
    def frames(self, uri: str) -> Iterator[dict[str, Any]]:
        for time_s, frame in frames_of(uri, self._profile):
            yield {"time_s": time_s, "tags": self._tagger.tags(frame)}


def main() -> None:
    job = Job.from_command_line()
    daft.set_runner_native(num_threads=CORES)
    files = daft.from_pydict({"uri": list(job.files)}).into_batches(1)
    tagged = files.select(col("uri"), Tagger(job.model, job.profile).frames(col("uri")).alias("frame"))
    rows = tagged.select(col("uri"), col("frame").get("time_s").alias("time_s"), col("frame").get("tags").alias("tags"))
    rows.write_parquet(job.out)


if __name__ == "__main__":
    main()
