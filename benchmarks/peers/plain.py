"""The plain script: one process a core over the files, PyAV and ONNX Runtime, Parquet at the end of each file."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers.task import CORES, FrameTagger, Job, frames_of


def one(job: Job, number: int) -> None:
    tagger = FrameTagger(job.model, threads=1)
    file = job.files[number]
    rows = [
        {"uri": file, "time_s": time_s, "tags": tagger.tags(frame)} for time_s, frame in frames_of(file, job.profile)
    ]
    pq.write_table(pa.Table.from_pylist(rows), Path(job.out) / f"{number}.parquet")


def main() -> None:
    job = Job.from_command_line()
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(one, [job] * len(job.files), range(len(job.files))))


if __name__ == "__main__":
    main()
