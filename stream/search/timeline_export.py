"""Hits as an OpenTimelineIO timeline (the JSON of OTIO 0.15 and later: Timeline.1, Track.1, Clip.2)."""

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from stream.errors import printable
from stream.events.ids import without_secrets
from stream.events.timecode import SourceTimecode
from stream.search.hit import Hit


def to_otio(hits: Sequence[Hit], fps: Fraction) -> str:
    """One video track with a clip for each hit, end to end. Source times are the source's own timecode at its own rate
    where it has one, else times of the file at `fps`.
    """
    clips = [_clip(hit, fps) for hit in hits]
    track = _object("Track.1", name="V1", kind="Video", children=clips, source_range=None, effects=[], markers=[])
    stack = _object("Stack.1", name="tracks", children=[track], source_range=None, effects=[], markers=[])
    return json.dumps(_object("Timeline.1", name="rushes", global_start_time=None, tracks=stack), indent=1) + "\n"


def _clip(hit: Hit, fps: Fraction) -> dict[str, Any]:
    code = hit.source_timecode or SourceTimecode(0, fps, drop=False)
    # As in an EDL: a timecode belongs to the first picture, without one players count from the start of the file.
    start_ns, end_ns = hit.file_range_ns if hit.source_timecode is None else (hit.start_ns, hit.end_ns)
    first = code.at(start_ns)
    rate = float(code.rate)
    source_range = {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": _time(first, rate),
        "duration": _time(max(1, code.before(end_ns) - first), rate),
    }
    media = _object("ExternalReference.1", name="", target_url=without_secrets(hit.uri), available_range=None)
    return _object(
        "Clip.2",
        metadata={"rushes": _about(hit)},
        name=printable(hit.name),
        source_range=source_range,
        effects=[],
        markers=[],
        enabled=True,
        media_references={"DEFAULT_MEDIA": media},
        active_media_reference_key="DEFAULT_MEDIA",
    )


def _about(hit: Hit) -> dict[str, Any]:
    row = hit.as_json()
    names = ("tenant", "project", "asset_id", "start_s", "end_s", "score", "why", "caption", "tags", "moment_ids")
    return {name: row[name] for name in names}


def _time(frames: int, rate: float) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": float(frames)}


def _object(schema: str, *, metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"OTIO_SCHEMA": schema, "metadata": metadata or {}, **fields}
