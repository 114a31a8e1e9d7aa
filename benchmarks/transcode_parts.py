"""`make bench-transcode`: what it costs to transcode in parts, beside one bare PyAV encode with the same settings.

    python -m benchmarks.transcode_parts [--seconds 90] [--profile h264_web] [--peer] [--json FILE]

The clip is 1080p with moving pictures, noise, cuts and sound, made here. Both sides decode it, encode with one thread
and equal options, and write MP4. SSIM is of each result against the clip. Two workers make the same parts, and must
make the same bytes. With `--peer` two processes of a chunked ffmpeg do the same work (H.264 alone): it is cut at key
frames, and joined by copying. Ten minutes (`--seconds 600`) take about fifty on a quiet machine of two cores, four
take twenty.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from benchmarks.harness import Report, environment
from benchmarks.peers.chunked_ffmpeg import chunked, ffmpeg, version_of
from stream.media.protocol import Part, Task
from stream.media.transcode.encoding import set_up_pictures, set_up_sound
from stream.media.transcode.facts import facts_of
from stream.media.transcode.opening import AnyPacket
from stream.media.transcode.operator import Transcode
from stream.media.transcode.settings import checked
from stream.media.transcode.target import target_of

SECONDS, PROFILE, RATE, SIZE = 90.0, "h264_web", 25, (1920, 1080)
SCENE_FRAMES = 70
UNIT_S, COMPARED_FRAMES = 30.0, 1500


def write_source(path: Path, seconds: float) -> Path:
    """H.264 with B-frames and GOPs of up to 250 pictures, as phones and editors write it. A long one repeats its first
    `UNIT_S`, packet by packet: pictures take longer to make than to encode.
    """
    unit_s = min(seconds, UNIT_S)
    copies, frames = round(seconds / unit_s), round(unit_s * RATE)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "16", "g": "250"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = container.add_stream("aac", rate=48_000, layout="stereo")
        packets = [packet for frame in chain(_pictures(frames), [None]) for packet in video.encode(frame)]
        for copy in range(copies):
            for packet in packets:
                assert packet.pts is not None
                assert packet.dts is not None
                again: AnyPacket = av.Packet(bytes(packet))
                again.stream, again.time_base, again.is_keyframe = video, packet.time_base, packet.is_keyframe
                again.pts, again.dts = packet.pts + copy * frames, packet.dts + copy * frames
                container.mux(again)
        wave = (0.1 * np.sin(np.arange(round(copies * unit_s * 48_000)) / 20)).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = 48_000, 0, Fraction(1, 48_000)
        container.mux([*audio.encode(sound), *audio.encode(None)])
    return path


def _pictures(frames: int) -> Iterator[av.VideoFrame]:
    """Scenes that a camera passes over, with the noise of its sensor."""
    width, height = SIZE
    random = np.random.default_rng(5)
    for number in range(frames):
        if number % SCENE_FRAMES == 0:
            canvas = smooth(random, width + 320, height + 160)
        left, top = number % SCENE_FRAMES * 4, number % SCENE_FRAMES * 2
        pixels = canvas[top : top + height, left : left + width] * 0.6 + random.integers(0, 5, (height, width, 1))
        frame = av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, RATE)
        yield frame


def smooth(random: np.random.Generator, width: int, height: int) -> npt.NDArray[np.float32]:
    """[height, width, 3]: blurred shapes of many sizes, as a lens shows them."""
    coarse = random.integers(0, 255, (height // 24, width // 24, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(coarse), format="rgb24")
    return frame.reformat(width=width, height=height, format="rgb24").to_ndarray().astype(np.float32)


def bare(source: Path, path: Path, profile: str) -> None:
    """Decode, encode, mux; the same options, one thread."""
    settings = checked({"profile": profile}, ["source"])
    facts = facts_of(source, None)
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        for stream in (container.streams.video[0], container.streams.audio[0]):
            stream.codec_context.thread_count = 1
        video = out.add_stream(settings.row.encoder, rate=RATE)
        assert isinstance(video, av.VideoStream)
        set_up_pictures(video.codec_context, settings, facts, target_of(settings, facts))
        audio = out.add_stream(settings.row.sound.codec, rate=48_000)
        assert isinstance(audio, av.AudioStream)
        set_up_sound(audio.codec_context, settings, 2)
        for packet in container.demux(video=0, audio=0):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    frame.pict_type = 0
                    out.mux(video.encode(frame))
                elif isinstance(frame, av.AudioFrame):
                    out.mux(audio.encode(frame))
        out.mux([*video.encode(None), *audio.encode(None)])


def in_parts(source: Path, folder: Path, profile: str, workers: int) -> Path:
    """Every part in a process of the pool; divided and joined here."""
    operator = Transcode()
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True)
    settings = operator.check({"profile": profile}, ["source"])
    task = Task(settings=settings, inputs={"source": source}, folder=folder / "out", scratch=folder / "scratch")
    parts = operator.divide(task)
    folders = [folder / f"part-{number}" for number in range(len(parts))]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        arguments = (settings, {"source": source}, parts, folders)
        list(pool.map(_render, *([value] * len(parts) for value in arguments[:2]), *arguments[2:]))
    operator.join(task, folders)
    return next(task.folder.iterdir())


def _render(settings: dict[str, object], inputs: dict[str, Path], part: Part, folder: Path) -> None:
    folder.mkdir()
    scratch = folder.with_name(folder.name + "-scratch")
    scratch.mkdir()
    task = Task(settings=settings, inputs=inputs, folder=folder, scratch=scratch)  # type: ignore[arg-type]  # pickled
    Transcode().render(replace(task, part=part))


def by_peer(program: Path, source: Path, folder: Path, profile: str) -> Path:
    """The encoder's options are those of `set_up_pictures`."""
    settings = checked({"profile": profile}, ["source"])
    facts = facts_of(source, None)
    with av.open(str(folder.with_suffix(".mp4")), "w") as unwritten:
        stream = unwritten.add_stream(settings.row.encoder, rate=RATE)
        assert isinstance(stream, av.VideoStream)
        set_up_pictures(stream.codec_context, settings, facts, target_of(settings, facts))
        context = stream.codec_context
        options = {"c:v": settings.row.encoder, **context.options, "bf": str(context.max_b_frames)}
    return chunked(program, source, folder, options, settings.row.sound.codec, 2)


def ssim(path: Path, source: Path) -> float:
    """Mean of the first `COMPARED_FRAMES` pictures and all planes, by FFmpeg's filter."""
    graph = Graph()
    inputs = [
        graph.add("buffer", f"video_size={SIZE[0]}x{SIZE[1]}:pix_fmt=yuv420p:time_base=1/{RATE}") for _ in range(2)
    ]
    compare, sink = graph.add("ssim"), graph.add("buffersink")
    for number, buffer in enumerate(inputs):
        buffer.link_to(compare, 0, number)
    compare.link_to(sink)
    graph.configure(auto_buffer=False)
    values: list[float] = []
    with av.open(str(path)) as one, av.open(str(source)) as other:
        pairs = islice(zip(one.decode(video=0), other.decode(video=0), strict=True), COMPARED_FRAMES)
        for number, pair in enumerate(pairs):
            for buffer, frame in zip(inputs, pair, strict=True):
                plain = frame.reformat(format="yuv420p")
                plain.pts, plain.time_base = number, Fraction(1, RATE)
                buffer.push(plain)
            values += _pulled(sink)
    return float(np.mean(values))


def _pulled(sink: av.filter.context.FilterContext) -> Iterator[float]:
    while True:
        try:
            yield float(sink.pull().metadata["lavfi.ssim.All"])
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def spent(work: object) -> tuple[float, float]:
    """(CPU seconds of this process and its children, seconds) that a call takes."""
    assert callable(work)
    before, started = os.times(), time.perf_counter()
    work()
    after = os.times()
    return sum(b - a for a, b in zip(before[:4], after[:4], strict=True)), time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--profile", default=PROFILE)
    parser.add_argument("--peer", action="store_true", help="a chunked ffmpeg too; fetches it (170 MB) once")
    parser.add_argument("--json", type=Path, help="write the figures here and not to benchmarks/results")
    wanted = parser.parse_args()
    if wanted.peer and not wanted.profile.startswith("h264"):
        parser.error("--peer knows the options of H.264 alone")
    program = ffmpeg() if wanted.peer else None
    report = Report(f"What does it cost to transcode {wanted.seconds:g} s of 1080p in parts ({wanted.profile})?")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        source = write_source(folder / "source.mp4", wanted.seconds)
        bare_cpu, bare_wall = spent(lambda: bare(source, folder / "bare.mp4", wanted.profile))
        parts_cpu, one_wall = spent(lambda: in_parts(source, folder / "one", wanted.profile, 1))
        _, two_wall = spent(lambda: in_parts(source, folder / "two", wanted.profile, 2))
        ours, again = (next((folder / name / "out").iterdir()) for name in ("one", "two"))
        assert ours.read_bytes() == again.read_bytes(), "two workers made other bytes than one"
        sizes = [path.stat().st_size / 2**20 for path in (folder / "bare.mp4", ours)]
        quality = [ssim(path, source) for path in (folder / "bare.mp4", ours)]
        if program is not None:
            peer_cpu, peer_wall = spent(lambda: by_peer(program, source, folder / "peer", wanted.profile))
            film = folder / "peer" / "film.mp4"
            peer_quality, peer_bytes = ssim(film, source), film.stat().st_size
    limit = f"bare {bare_cpu:.1f} s"
    report.add("CPU", parts_cpu, "s", limit=limit, note=f"{parts_cpu / bare_cpu:.3f}x (asked: at most 1.1x)")
    report.add("SSIM", quality[1], "", limit=f"bare {quality[0]:.5f}", note=f"{quality[1] - quality[0]:+.5f} (±0.001)")
    report.add("size", sizes[1], "MiB", limit=f"bare {sizes[0]:.2f} MiB", note=f"{sizes[1] / sizes[0]:.3f}x")
    report.add("one worker", one_wall, "s", limit=f"bare {bare_wall:.1f} s")
    report.add("two workers", two_wall, "s", note=f"{one_wall / two_wall:.2f}x of one (asked: at least 1.7x)")
    if program is not None:
        name = "chunked ffmpeg"
        report.add(f"{name}, CPU", peer_cpu, "s", note=f"{peer_cpu / bare_cpu:.3f}x bare; {version_of(program)}")
        report.add(f"{name}, two processes", peer_wall, "s", limit=f"ours {two_wall:.1f} s")
        report.add(f"{name}, SSIM", peer_quality, "", note=f"{peer_quality - quality[0]:+.5f}")
        report.add(f"{name}, size", peer_bytes / 2**20, "MiB", note=f"{peer_bytes / 2**20 / sizes[0]:.3f}x bare")
    report.show()
    if wanted.json is not None:
        figures = [asdict(figure) for figure in report.figures]
        wanted.json.write_text(json.dumps({"environment": environment(), "figures": figures}, indent=2) + "\n")
    elif (wanted.seconds, wanted.profile) == (SECONDS, PROFILE):
        print(report.write("transcode_parts"))


if __name__ == "__main__":
    main()
