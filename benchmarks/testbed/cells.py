"""Decoded cells made up for tests of models: flat coloured scenes, as samples and as the dense view."""

from collections.abc import Sequence

import numpy as np

from stream.events.asset import AssetRef, DecodeSettings, Media, Profile, SourceVersion, SpanPlanned
from stream.events.frames import Colour, Frames, Sample
from stream.events.grid import SECOND_NS, TICK_NS, dense_ticks, sample_times, segment_count, segment_range
from stream.events.ids import AssetVersion
from stream.events.runs import Run

WIDTH, HEIGHT = 64, 36
RED, GREEN, BLUE, GREY = (220, 20, 20), (20, 200, 20), (20, 20, 220), (128, 128, 128)
Scenes = Sequence[tuple[float, tuple[int, int, int]]]
"""Ascending (first second, RGB)."""


def cell(
    scenes: Scenes, *, segment: int = 0, seconds: float = 10.0, profile: Profile = "full", asset_id: str = "a"
) -> Frames:
    """Cell `segment` of an asset of `seconds` that shows `scenes` one after the other."""
    duration_ns = round(seconds * SECOND_NS)
    start_ns, end_ns = segment_range(segment, duration_ns)
    full = profile == "full"
    rows = [min(max(0, tick * TICK_NS), duration_ns - TICK_NS) for tick in dense_ticks(segment)]
    return Frames(
        span=span(segment, duration_ns, profile, asset_id),
        segment=segment,
        width=WIDTH,
        height=HEIGHT,
        colour=Colour(),
        samples=[
            Sample(time_ns=time, pts=time // 1000, kind="grid", yuv=flat_yuv(_shown(scenes, time)))
            for time in sample_times(start_ns, end_ns)
        ],
        dense=np.stack([_flat(_shown(scenes, time)) for time in rows]) if full else None,
        dense_times_ns=tuple(rows) if full else None,
    )


def span(segment: int, duration_ns: int, profile: Profile = "full", asset_id: str = "a") -> SpanPlanned:
    return SpanPlanned(
        asset=AssetRef(tenant="t", project="p", asset_id=asset_id, version=AssetVersion(1, 0)),
        uri="file:///clips/a.mp4",
        source=SourceVersion(size_bytes=1, tag="x"),
        content_digest="c0ffee",
        settings=DecodeSettings(profile=profile),
        media=Media(
            container="mp4",
            codec="h264",
            stream_index=0,
            width=WIDTH,
            height=HEIGHT,
            display_width=WIDTH,
            display_height=HEIGHT,
            time_base_num=1,
            time_base_den=90_000,
            duration_ns=duration_ns,
            runs=(Run(0, 0, duration_ns),),
        ),
        first_segment=segment,
        end_segment=segment + 1,
        segment_count=segment_count(duration_ns),
        labels={"desk": "sport"},
    )


def flat_yuv(rgb: tuple[int, int, int], width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """One colour as limited-range BT.709 4:2:0."""
    red, green, blue = (value / 255 for value in rgb)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    levels = (16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748)
    sizes = (width * height, width * height // 4, width * height // 4)
    return b"".join(bytes([round(level)]) * size for level, size in zip(levels, sizes, strict=True))


def _shown(scenes: Scenes, time_ns: int) -> tuple[int, int, int]:
    return [colour for first, colour in scenes if first * SECOND_NS <= time_ns][-1]


def _flat(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.broadcast_to(np.array(rgb, np.uint8), (27, 48, 3))
