"""What decode costs: CPU-seconds per video-second through the pool, beside a bare PyAV loop that makes the same pixels.

The physical limit is the decoder itself: the bare loop without any scaling is printed as `decode only`.
    python -m benchmarks.decode_cost [--clip FILE] [--seconds 120] [--json FILE]
"""

import argparse
import importlib.metadata
import json
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import psutil
from av.video.reformatter import Interpolation, VideoReformatter

from benchmarks.testbed.clips import write_clip
from decoders.pictures.colour import colour_of, yuv_to_rgb
from decoders.plan import plan_spans
from decoders.protocol import Inspection
from decoders.sandbox.pool import DecodePool
from decoders.sources.policy import SourcePolicy
from stream.events.asset import AssetRef, DecodeSettings, Profile, SpanPlanned
from stream.events.grid import SECOND_NS, TICK_NS, segment_count
from stream.events.ids import AssetVersion

ROUNDS = 3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--clip", type=Path, help="a clip whose packets are repeated (default: a generated 720p clip)"
    )
    arguments.add_argument("--seconds", type=float, default=120.0)
    arguments.add_argument("--json", type=Path)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        short = (
            options.clip or write_clip(Path(folder) / "short.mp4", seconds=10, size=(1280, 720), scenes=5, gop=50).path
        )
        path = repeated(short, Path(folder) / "long.mp4", options.seconds)
        report = measure(path)
    for name, figure in report["figures"].items():
        print(f"{name:38} {figure:10.4f}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def repeated(short: Path, path: Path, seconds: float) -> Path:
    """The short clip's video packets again and again, with running time stamps."""
    with av.open(str(path), "w") as target, av.open(str(short)) as source:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        step = sum(packet.duration or 0 for packet in packets)
        assert stream.time_base is not None
        for turn in range(max(1, round(seconds / float(step * stream.time_base)))):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                packet.pts += turn * step
                packet.dts += turn * step
                packet.stream = copy
                target.mux(packet)
    return path


def measure(path: Path) -> dict[str, dict[str, float]]:
    """Medians of three rounds after one warm-up; CPU of this process and its children together."""
    figures: dict[str, float] = {}
    with DecodePool(children=1, policy=SourcePolicy(roots=(str(path.parent),))) as pool:
        started = time.perf_counter()
        found = pool.inspect(str(path))
        figures["inspect, cold child (wall s)"] = time.perf_counter() - started
        started = time.perf_counter()
        pool.inspect(str(path))
        figures["inspect, warm child (wall s)"] = time.perf_counter() - started
        video_s = found.media.duration_ns / SECOND_NS
        (child,) = pool.pids
        runs: dict[str, Callable[[], None]] = {
            "decode only": lambda: bare_decode(path),
            "full, bare loop": lambda: bare_full(path),
            "full, pool": lambda: through_pool(pool, found, path, "full"),
            "fast, bare loop": lambda: bare_fast(path),
            "fast, pool": lambda: through_pool(pool, found, path, "fast"),
        }
        # Round by round, so that what else the machine does falls on all alike; the first round warms up.
        rounds = [{name: cpu_of(run, child) for name, run in runs.items()} for _ in range(ROUNDS + 1)][1:]
        for name in runs:
            figures[f"{name} (CPU-s per video-s)"] = statistics.median(each[name] for each in rounds) / video_s
    figures["full: bare / pool"] = (
        figures["full, bare loop (CPU-s per video-s)"] / figures["full, pool (CPU-s per video-s)"]
    )
    figures["full / fast through the pool"] = (
        figures["full, pool (CPU-s per video-s)"] / figures["fast, pool (CPU-s per video-s)"]
    )
    return {"figures": figures, "machine": machine(), "clip": clip_facts(found)}  # type: ignore[dict-item] # JSON


def cpu_of(run: Callable[[], None], child_pid: int) -> float:
    child = psutil.Process(child_pid)

    def used() -> float:
        own = resource.getrusage(resource.RUSAGE_SELF)
        other = child.cpu_times()
        return float(own.ru_utime + own.ru_stime + other.user + other.system)

    before = used()
    run()
    return used() - before


def through_pool(pool: DecodePool, found: Inspection, path: Path, profile: Profile, *, dense: bool = True) -> None:
    """`dense`: with the pictures that shots are found in."""
    count = segment_count(found.media.duration_ns)
    for cells in plan_spans(found.media, found.keyframes_ns, range(count), profile=profile):
        span = SpanPlanned(
            asset=AssetRef(tenant="t", project="p", asset_id="a", version=AssetVersion(1, 0)),
            uri=str(path),
            source=found.source,
            content_digest=found.content_digest,
            settings=DecodeSettings(profile=profile, dense=dense),
            media=found.media,
            first_segment=cells.start,
            end_segment=cells.stop,
            segment_count=count,
        )
        for frames in pool.decode(span):
            assert frames.value


def bare_decode(path: Path) -> None:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for _ in container.decode(video=0):
            pass


def bare_full(path: Path) -> None:
    """One sample a second and 25 dense pictures a second, as RGB, in one array a cell."""
    to_sample, to_dense = VideoReformatter(), VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        size = (456, 256) if stream.width * 9 == stream.height * 16 else (stream.width // 2, stream.height // 2)
        tick = second = 0
        rows: list[npt.NDArray[np.uint8]] = []
        for frame in container.decode(stream):
            time_ns = round(frame.time * SECOND_NS)
            if time_ns >= tick * TICK_NS:
                small = to_dense.reformat(frame, 48, 27, "yuv444p", interpolation=Interpolation.AREA, threads=1)
                rows.append(
                    np.stack([np.frombuffer(memoryview(p), np.uint8).reshape(27, -1)[:, :48] for p in small.planes])
                )
                tick = time_ns // TICK_NS + 1
            if time_ns >= second * SECOND_NS + SECOND_NS // 2:
                sample = to_sample.reformat(frame, *size, "yuv420p", interpolation=Interpolation.AREA, threads=1)
                assert b"".join(bytes(plane) for plane in sample.planes)
                second += 1
            if len(rows) == 250:
                planes = np.stack(rows, 1)  # [3, 250, 27, 48], converted at once
                assert yuv_to_rgb(planes.reshape(3, 250 * 27, 48), colour_of(frame, frame.format.name)).tobytes()
                rows.clear()


def bare_fast(path: Path) -> None:
    to_sample = VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        stream.codec_context.skip_frame = "NONKEY"
        for frame in container.decode(stream):
            sample = to_sample.reformat(frame, 456, 256, "yuv420p", interpolation=Interpolation.AREA, threads=1)
            assert b"".join(bytes(plane) for plane in sample.planes)


def clip_facts(found: Inspection) -> dict[str, object]:
    return {**found.media.model_dump(include={"codec", "width", "height", "average_rate", "duration_ns"})}


def machine() -> dict[str, object]:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "python": platform.python_version(),
        "processor": platform.machine(),
        "cpus": psutil.cpu_count(),
        "av": importlib.metadata.version("av"),
        "numpy": importlib.metadata.version("numpy"),
        "commit": commit.stdout.strip(),
    }


if __name__ == "__main__":
    main()
