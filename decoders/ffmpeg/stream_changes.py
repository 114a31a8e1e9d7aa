"""Transport and program streams whose film continues in another video stream: a channel changes its PID, for good or
for an advertisement. FFmpeg demuxes each stream alone and does not see streams that appear late.
"""

from collections.abc import Iterator

import numpy as np

from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.recording import Recording, read_recording
from decoders.ffmpeg.survey import Surveyed
from decoders.ffmpeg.timeline import NO_TIME
from decoders.protocol import Source

HEADLESS = frozenset({"mpegts", "mpeg"})
"""Containers that can be opened at any byte."""

# Less than this is sound and tables between two pictures.
MIN_HOLE_BYTES = 4096
MIN_HOLE_S = 1.0
# Each hole is opened and read like a file: these limits bound the work for a hostile one.
MAX_HOLES = 32
MAX_DEPTH = 4
MAX_OVERLAP = 0.1
"""The share of another stream's packets that may lie beside the film. With more, it is another view or programme."""


def with_changes(source: Source, found: Recording, limits: MediaLimits, depth: int = 0) -> list[Recording]:
    """The film of `found` in file order, filled with other streams where its own stream has no packets."""
    if found.media.container not in HEADLESS or depth > MAX_DEPTH:
        return [found]
    pieces: list[Recording] = []
    cursor: int | None = found.window.start
    for hole in _holes(found):
        within = _film_in(source, hole, found, limits, depth)
        if not within:
            continue
        if hole.start > found.window.start:
            assert cursor is not None, "only the last hole has no end"
            pieces += _read_again(source, range(cursor, hole.stop), found, limits)
        pieces += within
        cursor = None if hole.stop == found.window.stop else _last_place(within[-1])
    if not pieces:
        return [found]
    return pieces if cursor is None else pieces + _read_again(source, range(cursor, found.window.stop), found, limits)


def _read_again(source: Source, window: range, found: Recording, limits: MediaLimits) -> list[Recording]:
    """Reads the same stream in these bytes only; empty where it is not readable."""
    again = read_recording(source, window, limits, lambda stream_id: stream_id == found.stream_id)
    return [again] if isinstance(again, Recording) else []


def _film_in(source: Source, hole: range, found: Recording, limits: MediaLimits, depth: int) -> list[Recording]:
    other = read_recording(source, hole, limits, lambda stream_id: stream_id != found.stream_id)
    # A single picture does not continue a film.
    if not isinstance(other, Recording) or (other.media.frame_count or 0) < 2:
        return []
    if any(_overlaps(surveyed, found) for surveyed in found.surveyed.values() if surveyed.stream_id == other.stream_id):
        return []
    return with_changes(source, other, limits, depth + 1)


def _overlaps(other: Surveyed, found: Recording) -> bool:
    # Two streams side by side are two views of one programme; only a stream that replaces the film continues it.
    places = np.array(other.places) + found.window.start
    inside = np.zeros(len(places), dtype=np.bool_)
    for hole in _holes(found):
        inside |= (places >= hole.start) & (places < hole.stop)
    return bool(np.count_nonzero(~inside & (np.array(other.places) >= 0)) > MAX_OVERLAP * len(places))


def _holes(found: Recording) -> list[range]:
    """The `MAX_HOLES` largest byte ranges without packets of the film's own stream, in file order. Each begins at the
    last packet before it, because the tables that announce another stream come soon after.
    """
    holes = sorted(_all_holes(found), key=lambda each: -len(each))[:MAX_HOLES]
    return sorted(holes, key=lambda each: each.start)


def _all_holes(found: Recording) -> Iterator[range]:
    surveyed = found.surveyed[found.media.stream_index]
    start, stop = found.window.start, found.window.stop
    places, sizes = np.array(surveyed.places), np.array(surveyed.sizes)
    times = np.array(surveyed.track.dts, dtype=np.int64)
    known = np.flatnonzero((places >= 0) & (times != NO_TIME))
    if not len(known):
        return
    places, sizes, times = places[known], sizes[known], times[known]
    if places[0] > MIN_HOLE_BYTES:
        yield range(start, start + int(places[0]))
    bytes_between = np.diff(places) - sizes[:-1]
    seconds = np.abs(np.diff(times).astype(np.float64) * float(surveyed.track.base))
    for number in np.flatnonzero((bytes_between > MIN_HOLE_BYTES) & (seconds > MIN_HOLE_S)):
        yield range(start + int(places[number]), start + int(places[number + 1]))
    if stop - start - int(places[-1]) - int(sizes[-1]) > MIN_HOLE_BYTES:
        yield range(start + int(places[-1]), stop)


def _last_place(found: Recording) -> int:
    surveyed = found.surveyed[found.media.stream_index]
    return found.window.start + max(surveyed.places)
