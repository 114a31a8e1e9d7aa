"""The plain script: one process a core over the files, PyAV and ONNX Runtime, Parquet at the end of each file."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers.task import CORES, Frame, FrameTagger, Job, frames_of

Frames = Callable[[str, Literal["full", "fast"]], Iterator[tuple[float, Frame]]]
"""Of a file and a profile."""


def one(job: Job, frames: Frames, number: int) -> None:
    tagger = FrameTagger(job.model, threads=1)
    file = job.files[number]
    rows = [{"uri": file, "time_s": time_s, "tags": tagger.tags(frame)} for time_s, frame in frames(file, job.profile)]
    pq.write_table(pa.Table.from_pylist(rows), Path(job.out) / f"{number}.parquet")


def main(frames: Frames = frames_of) -> None:
    job = Job.from_command_line()
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(partial(one, job, frames), range(len(job.files))))


if __name__ == "__main__":
    main()
