"""What the benchmarks look at: a pinned sample clip, its packets repeated without encoding again."""

from pathlib import Path

import platformdirs

from benchmarks.decode_cost import repeated
from decoders.protocol import Inspection
from decoders.sandbox import DecodePool
from models.weights import WeightsCache
from stream.events.asset import AssetRef, DecodeSettings, Profile, SpanPlanned
from stream.events.frames import Frames
from stream.events.grid import segment_count
from stream.events.ids import AssetVersion

CLIP = "bigbuckbunny.mp4"
MODEL_THREADS = 2
DECODE_CHILDREN = 2


def cache() -> WeightsCache:
    """Where `make assets` puts weights and clips."""
    return WeightsCache(Path(platformdirs.user_cache_dir("rushes")))


def short_clip() -> Path:
    """1280x720 H.264, 5.28 s. Raises `Unavailable` with the command that fetches it."""
    return cache().files("clips")[CLIP]


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
        settings=DecodeSettings(profile=profile),
        media=found.media,
        first_segment=0,
        end_segment=count,
        segment_count=count,
    )


def decoded(pool: DecodePool, path: Path, profile: Profile) -> list[Frames]:
    """Every cell of the file."""
    return [Frames.from_bytes(item.value) for item in pool.decode(span_of(path, pool.inspect(str(path)), profile))]
