"""What every peer does to a frame. Needs numpy and onnxruntime only, as it runs in the peers' environments too.

A job is `python -m benchmarks.peers.<peer> PROFILE MODEL OUT FILE...`: one row (uri, time_s, tags) a frame in Parquet
files under OUT. Profile `full` decodes every frame and keeps one a second, `fast` decodes and keeps key frames.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

HEIGHT, WIDTH = 256, 456
CROP = 224
TOP = 5
CORES = 2
Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Job:
    """`model`: the ONNX tagger, `labels.json` beside it."""

    profile: Literal["full", "fast"]
    model: str
    out: str
    files: tuple[str, ...]

    @classmethod
    def from_command_line(cls) -> "Job":
        parser = argparse.ArgumentParser()
        parser.add_argument("profile", choices=("full", "fast"))
        for name in ("model", "out"):
            parser.add_argument(name)
        parser.add_argument("files", nargs="+")
        given = parser.parse_args()
        return cls(given.profile, given.model, given.out, tuple(given.files))


class OnnxNetwork:
    """EfficientNet-Lite0, one image at a time: on a CPU a batch gains nothing."""

    def __init__(self, model: str, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, pixels: Frame) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """uint8 [224, 224, 3] RGB to probabilities [1000] and features [1280]."""
        inputs = ((pixels.astype(np.float32) - 127.0) / 128.0).transpose(2, 0, 1)[None]
        probabilities, features = self._session.run(None, {"pixels": inputs})
        return probabilities[0], features[0]


class FrameTagger:
    """The five most probable labels of frames of `HEIGHT` x `WIDTH`."""

    def __init__(self, model: str, threads: int) -> None:
        self._network = OnnxNetwork(model, threads)
        self._labels: Sequence[str] = json.loads((Path(model).parent / "labels.json").read_text())

    def tags(self, frame: Frame) -> list[str]:
        top, left = (HEIGHT - CROP) // 2, (WIDTH - CROP) // 2
        probabilities, _ = self._network.run(frame[top : top + CROP, left : left + CROP])
        return [self._labels[index] for index in np.argsort(-probabilities)[:TOP]]


def frames_of(file: str, profile: str) -> Iterator[tuple[float, Frame]]:
    """(seconds, frame) through PyAV, one decoder thread: key frames, or the frame on display at each k + 0.5 s."""
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    scaler = VideoReformatter()

    def rgb(frame: "av.VideoFrame") -> Frame:
        small = scaler.reformat(frame, WIDTH, HEIGHT, "rgb24", interpolation=Interpolation.AREA, threads=1)
        return np.asarray(small.to_ndarray(), np.uint8)

    with av.open(file) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        if profile == "fast":
            stream.codec_context.skip_frame = "NONKEY"
            yield from ((float(frame.time), rgb(frame)) for frame in container.decode(stream))
            return
        position_s = 0.5
        for frame in container.decode(stream):
            if float(frame.time) + 1 / float(stream.average_rate or 25) > position_s:
                yield position_s, rgb(frame)
                position_s += 1
