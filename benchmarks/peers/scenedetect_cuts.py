"""PySceneDetect as its documentation shows it: `detect` with a detector at its defaults, a process a core."""

from concurrent.futures import ProcessPoolExecutor

from scenedetect import AdaptiveDetector, ContentDetector, detect

from benchmarks.peers.cuts import CORES, CutsJob

DETECTORS = {"adaptive": AdaptiveDetector, "content": ContentDetector}


def cuts_of(job: CutsJob, file: str) -> list[float]:
    scenes = detect(file, DETECTORS[job.detector]())
    return [float(start.seconds) for start, _ in scenes[1:]]


def main() -> None:
    job = CutsJob.from_command_line()
    with ProcessPoolExecutor(CORES) as pool:
        found = pool.map(cuts_of, [job] * len(job.files), job.files)
        job.answer(dict(zip(job.files, found, strict=True)))


if __name__ == "__main__":
    main()
