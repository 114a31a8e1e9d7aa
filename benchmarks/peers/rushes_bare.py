"""What rushes cannot do without: its decoder and the tagger alone, a process a core over the files as the plain script.

No sandbox, no broker, no thumbnails, no stores; the same frames. What the topology takes beyond it is its own.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.footage import span_of
from benchmarks.peers.task import CORES, Frame, FrameTagger, Job
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.sources.file import FileSource
from models.pictures.colour import images_of
from stream.events.asset import DecodeSettings


def one(job: Job, number: int) -> None:
    tagger = FrameTagger(job.model, threads=1)
    file = job.files[number]
    rows = [{"uri": file, "time_s": time_s, "tags": tagger.tags(frame)} for time_s, frame in _frames(job, file)]
    pq.write_table(pa.Table.from_pylist(rows), Path(job.out) / f"{number}.parquet")


def _frames(job: Job, file: str) -> Iterator[tuple[float, Frame]]:
    path = Path(file).resolve()
    decoder = PyAVDecoder()
    source = FileSource(path, {str(path.parent)})
    # As a run that looks for tags alone: what leads to no sample is left out.
    settings = DecodeSettings(profile=job.profile, dense=False)
    span = span_of(path, decoder.inspect(source), job.profile).model_copy(update={"settings": settings})
    for cell in decoder.decode(source, span):
        for sample, image in zip(cell.samples, images_of(cell), strict=True):
            yield sample.time_ns / 1e9, image
    source.close()


def main() -> None:
    job = Job.from_command_line()
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(one, [job] * len(job.files), range(len(job.files))))


if __name__ == "__main__":
    main()
