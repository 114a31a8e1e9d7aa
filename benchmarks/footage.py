"""What the benchmarks look at: a pinned sample clip, and 1080p footage of any length made of it once and kept."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import platformdirs
from av.video.frame import PictureType
from av.video.reformatter import Interpolation

from benchmarks.decode_cost import repeated
from decoders.plan import split_of
from decoders.protocol import Inspection
from decoders.sandbox.pool import DecodePool
from models.weights.fetch import WeightsCache
from stream.events.asset import AssetRef, DecodeSettings, Profile, SpanPlanned
from stream.events.frames import Frames
from stream.events.grid import segment_count
from stream.events.ids import AssetVersion

CLIP = "bigbuckbunny.mp4"
MODEL_THREADS = 2
DECODE_CHILDREN = 2
HD_SIZE = (1920, 1080)
HD_RATE = 25
GOP_S = 2
HD_CLIP_S = 4  # whole GOPs, so that repeating it keeps their length
SHORT_S = 5
FILM_S = 10  # whole groups of 2 and of 10 seconds
HD_FACTS = f"1920x1080 H.264, {HD_RATE} frames/s, {GOP_S}-s GOPs"


def cache() -> WeightsCache:
    """Where `make assets` puts weights and clips."""
    return WeightsCache(Path(platformdirs.user_cache_dir("rushes")))


def short_clip() -> Path:
    """1280x720 H.264, 5.28 s. Raises `Unavailable` with the command that fetches it."""
    return cache().files("clips")[CLIP]


def hd_clip(seconds: float = HD_CLIP_S) -> Path:
    """`HD_FACTS`, of about `seconds`: the pinned clip scaled up and encoded once, its packets repeated.

    Kept beside the weights, outside any checkout.
    """
    path = footage_dir() / f"hd-{round(seconds)}s.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.mp4")
        if seconds <= SHORT_S:
            _encode(short_clip(), part, seconds, "libx264", GOP_S)
        else:
            repeated(hd_clip(), part, seconds)
        part.replace(path)
    return path


def hd_film(codec: str, group_s: int, seconds: float) -> Path:
    """Like `hd_clip`, in a codec and with groups of pictures of a length; at least one group of them."""
    path = footage_dir() / f"hd-{codec}-{group_s}s-{round(seconds)}s.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.mp4")
        if seconds <= FILM_S:
            _encode(short_clip(), part, FILM_S, codec, group_s)
        else:
            repeated(hd_film(codec, group_s, FILM_S), part, seconds)
        part.replace(path)
    return path


def footage_dir() -> Path:
    """Where footage made for benchmarks is kept."""
    return cache().directory / "benchmarks"


_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "23", "preset": "medium", "sc_threshold": "0"},
    "libx265": {"crf": "26", "preset": "fast"},
}


def _encode(source: Path, path: Path, seconds: float, codec: str, group_s: int) -> None:
    """The clip from its beginning, again where it is too short."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=HD_RATE)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = HD_SIZE
        stream.pix_fmt = "yuv420p"
        group = str(group_s * HD_RATE)
        x265 = f"keyint={group}:min-keyint={group}:scenecut=0:open-gop=0:log-level=none"
        groups = {"x265-params": x265} if codec == "libx265" else {"g": group, "keyint_min": group}
        stream.options = {**_OPTIONS[codec], **groups}
        for number, frame in enumerate(islice(_again(source), round(seconds * HD_RATE))):
            large = frame.reformat(*HD_SIZE, "yuv420p", interpolation=Interpolation.LANCZOS)
            large.pts, large.time_base = number, Fraction(1, HD_RATE)
            large.pict_type = PictureType.NONE
            target.mux(stream.encode(large))
        target.mux(stream.encode(None))


def _again(source: Path) -> Iterator[av.VideoFrame]:
    while True:
        with av.open(str(source)) as original:
            yield from original.decode(video=0)


def long_clip(folder: Path, seconds: float) -> Path:
    """The short clip again and again, about `seconds` long."""
    return repeated(short_clip(), folder / "long.mp4", seconds)


def span_of(path: Path, found: Inspection, profile: Profile) -> SpanPlanned:
    """The whole file as one span."""
    count = segment_count(found.media.duration_ns)
    return SpanPlanned(
        asset=AssetRef(tenant="bench", project="bench", asset_id=str(path), version=AssetVersion(1, 0)),
        uri=str(path),
        source=found.source,
        content_digest=found.content_digest,
        settings=DecodeSettings(profile=profile, split_ns=split_of(found.media, found.keyframes_ns, profile)),
        media=found.media,
        first_segment=0,
        end_segment=count,
        segment_count=count,
    )


def decoded(pool: DecodePool, path: Path, profile: Profile) -> list[Frames]:
    """Every cell of the file."""
    return [Frames.from_bytes(item.value) for item in pool.decode(span_of(path, pool.inspect(str(path)), profile))]
