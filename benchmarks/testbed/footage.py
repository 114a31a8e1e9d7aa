"""Spans and corpus access for tests of decoders."""

import os
from pathlib import Path

import av

from decoders.plan import split_of
from decoders.protocol import Inspection
from stream.events.asset import AssetRef, DecodeSettings, Media, Profile, SpanPlanned
from stream.events.grid import SECOND_NS, segment_count
from stream.events.ids import AssetVersion


def corpus() -> Path | None:
    """The conformance corpus, where there is one."""
    named = os.environ.get("RUSHES_CORPUS")
    root = Path(named) if named else Path(__file__).parents[3] / "shared" / "videos"
    return root if (root / "manifest.json").exists() else None


def corpus_clips() -> list[Path]:
    """Every file of the corpus that holds video which a plain decode can read."""
    root = corpus()
    files = [] if root is None else sorted(path for path in root.rglob("*.*") if path.suffix != ".json")
    unreadable = {"audio_only.mp3", "speech_jfk.flac", "empty.mp4", "not_a_video.mp4", "truncated_no_moov.mp4"}
    return [path for path in files if path.name not in unreadable | {"invalid_bitstream_vp9.webm"}]


def span_of(
    found: Inspection, uri: str | Path, cells: range | None = None, *, profile: Profile = "full", short_side: int = 256
) -> SpanPlanned:
    """The span that plan would emit for these cells (all of the asset's by default)."""
    count = segment_count(found.media.duration_ns)
    wanted = cells or range(count)
    split_ns = split_of(found.media, found.keyframes_ns, profile)
    return SpanPlanned(
        asset=AssetRef(tenant="t", project="p", asset_id="a", version=AssetVersion(1, 0)),
        uri=str(uri),
        source=found.source,
        content_digest=found.content_digest,
        settings=DecodeSettings(profile=profile, sample_short_side=short_side, split_ns=split_ns),
        media=found.media,
        first_segment=wanted.start,
        end_segment=wanted.stop,
        segment_count=count,
    )


def plain_times_ns(path: Path, media: Media) -> list[int]:
    """Asset times of every frame of a plain decode from the beginning, as they ascend."""
    times: list[int] = []
    with av.open(str(path)) as container:
        stream = container.streams[media.stream_index]
        assert isinstance(stream, av.VideoStream)
        first: int | None = None
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                assert frame.pts is not None
                first = frame.pts if first is None else first
                ticks = (frame.pts - first) * media.time_base_num
                time_ns = (2 * ticks * SECOND_NS + media.time_base_den) // (2 * media.time_base_den)
                if not times or time_ns > times[-1]:
                    times.append(time_ns)
    return times
