"""Reads delivery files as a player would, apart from the code that made them."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.reformatter import VideoReformatter

from stream.media import REGISTRY
from stream.media.protocol import MediaOperator, Settings
from tests.support.media_examples import made, work
from tests.support.numbered_clips import number_in

Planes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Film:
    """`numbers`: what `numbered_clips` wrote into each picture. `times_s`: when it is shown. `luma`: 8 bit."""

    numbers: list[int]
    times_s: list[Fraction]
    luma: list[Planes]
    size: tuple[int, int]
    rate: Fraction
    duration_s: float
    tags: tuple[int, int, int, int]
    interlaced: bool
    metadata: Mapping[str, str]


def operator_named(name: str) -> MediaOperator:
    module, _, kind = REGISTRY[name].partition(":")
    made_one: MediaOperator = getattr(importlib.import_module(module), kind)()
    return made_one


def delivered(source: Path, settings: Settings, folder: Path, operator: str = "transcode") -> Path:
    """The first output."""
    one = operator_named(operator)
    task = work(one, settings, {"source": source}, folder)
    made(one, task)
    return task.folder / next(iter(one.outputs(task.settings)))


def film(path: Path) -> Film:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert container.duration is not None
        first = frames[0]
        to_grey = VideoReformatter()
        grey = (to_grey.reformat(frame, format="gray8", dst_color_range="MPEG") for frame in frames)
        luma = [frame.to_ndarray().astype(np.uint8) for frame in grey]
        times = [
            frame.pts * frame.time_base for frame in frames if frame.pts is not None and frame.time_base is not None
        ]
        return Film(
            numbers=[number_in(one) for one in luma],
            times_s=times,
            luma=luma,
            size=(first.width, first.height),
            rate=stream.average_rate or Fraction(0),
            duration_s=container.duration / 1_000_000,
            tags=(int(first.colorspace), int(first.color_primaries), int(first.color_trc), int(first.color_range)),
            interlaced=bool(first.interlaced_frame),
            metadata={**container.metadata, **stream.metadata},
        )


def heard(path: Path) -> npt.NDArray[np.float32]:
    """[channels, samples] at 48 kHz, from the file's time 0 on; tracks of one channel are put together."""
    with av.open(str(path)) as container:
        count = len(container.streams.audio)
    tracks = []
    for index in range(count):
        with av.open(str(path)) as container:
            stream = container.streams.audio[index]
            resampler = av.AudioResampler(format="fltp", rate=48_000)
            blocks = [
                (round(part.pts * part.time_base * 48_000), part.to_ndarray())
                for frame in [*container.decode(stream), None]
                for part in resampler.resample(frame)
                if part.pts is not None and part.time_base is not None
            ]
        track = np.zeros((blocks[0][1].shape[0], max(at + block.shape[1] for at, block in blocks)), np.float32)
        for at, block in blocks:
            track[:, max(0, at) : at + block.shape[1]] = block[:, max(0, -at) :]
        tracks.append(track)
    return np.concatenate(tracks)


def loudness(samples: npt.NDArray[np.float32]) -> tuple[float, float]:
    """(integrated LUFS, true peak dBTP) by FFmpeg's filter, of everything at once."""
    graph = Graph()
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[0]]
    source = graph.add_abuffer(sample_rate=48_000, format="fltp", layout=layout, time_base=Fraction(1, 48_000))
    graph.link_nodes(source, graph.add("ebur128", "peak=true:metadata=1"), graph.add("abuffersink")).configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    graph.push(frame)
    graph.push(None)
    integrated, peak = -70.0, 0.0
    while True:
        try:
            told = graph.pull().metadata
        except (av.error.BlockingIOError, av.error.EOFError):
            return integrated, 20 * float(np.log10(max(peak, 1e-6)))
        integrated = float(told.get("lavfi.r128.I", integrated))  # the rest at the end is not measured
        peak = max(peak, float(told.get("lavfi.r128.true_peak", 0)))


def onset_s(samples: npt.NDArray[np.float32], *, level: float = 0.15) -> float:
    """When the sound is first louder than `level`."""
    return int(np.argmax(np.abs(samples).max(axis=0) > level)) / 48_000


def psnr_db(one: Planes, other: Planes) -> float:
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))
