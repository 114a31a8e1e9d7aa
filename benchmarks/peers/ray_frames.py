"""Ray Data: `read_videos` (it decodes every frame), for key frames PyAV in a task; the tagger as an actor."""

from collections.abc import Iterator
from typing import Any

import ray
import ray.data

from benchmarks.peers.task import CORES, HEIGHT, WIDTH, FrameTagger, Job, frames_of


class Tagger:
    def __init__(self, model: str) -> None:
        self._tagger = FrameTagger(model, threads=CORES)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        tags = [self._tagger.tags(frame) for frame in batch["frame"]]
        return {"uri": batch["path"], "time_s": batch["time_s"], "tags": tags}


def key_frames(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for time_s, frame in frames_of(row["item"], "fast"):
        yield {"path": row["item"], "time_s": time_s, "frame": frame}


def first_shown(batch: dict[str, Any]) -> dict[str, Any]:
    stamps = batch.pop("frame_timestamp")  # [n, 2]: shown from, until
    return batch | {"time_s": stamps[:, 0]}


def main() -> None:
    job = Job.from_command_line()
    ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    if job.profile == "fast":
        frames = ray.data.from_items(list(job.files), override_num_blocks=len(job.files)).flat_map(key_frames)
    else:
        # Its sampling begins at 0, not at 0.5 s: as many frames, half a second earlier.
        frames = ray.data.read_videos(
            list(job.files),
            include_paths=True,
            include_timestamps=True,
            fps=1,
            resize=(HEIGHT, WIDTH),
            override_num_blocks=len(job.files),
        ).map_batches(first_shown, batch_size=16)
    tagged = frames.map_batches(
        Tagger,
        fn_constructor_args=(job.model,),
        batch_size=16,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    tagged.write_parquet(job.out)
    ray.shutdown()


if __name__ == "__main__":
    main()
