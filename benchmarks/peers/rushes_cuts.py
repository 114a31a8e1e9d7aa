"""rushes from files to cuts and nothing after them: decode children and shots as `--models shots` has them, without
broker and stores.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.footage import cache, decoded
from benchmarks.peers.cuts import CORES, CutsJob
from stream.clock import SystemClock
from stream.pipelines.settings import ModelChoice, Settings
from stream.pipelines.understanding import Understanding


def main() -> None:
    job = CutsJob.from_command_line()
    settings = Settings(
        state_dir=job.out,
        cache_dir=cache().directory,
        roots=tuple({Path(file).resolve().parent for file in job.files}),
        models=ModelChoice(shots=job.detector).looking_for(["shots"]),
        decode_children=CORES,
        model_threads=CORES,
        model_device="cpu",
    )
    parts = Understanding(settings, SystemClock(), epoch_ms=1)
    parts.start_decoders()
    parts.bundle.open()
    found = {}
    # Files are decoded side by side, ahead of the network.
    with ThreadPoolExecutor(CORES) as decoding:
        films = decoding.map(lambda file: decoded(parts.pool, Path(file), "full"), job.files)
        for file, cells in zip(job.files, films, strict=True):
            annotated = parts.bundle.annotate(cells, epoch_ms=1)
            found[file] = sorted({cut / 1e9 for cell in annotated for cut in cell.header.cuts_ns})
    parts.bundle.close()
    parts.close()
    job.answer(found)


if __name__ == "__main__":
    main()
