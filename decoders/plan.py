"""Which cells are decoded together, and where a lone one is shared (pure): limits bound a span's cost and length; cuts
fall where run-in is short.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from decoders.ffmpeg.timeline import seekable
from stream.events.asset import Media
from stream.events.grid import CONTEXT_NS, SECOND_NS, SEGMENT_NS, segment_count

MAX_SPAN_NS = 120 * SECOND_NS
MAX_COST_CPU_S = 30.0
LEAST_CELLS = 2
MOST_RUN_IN = 0.1
"""Of a film, in a span that is cut so that children share it: each span decodes what leads to its first picture."""
CPU_S_PER_PIXEL = 2.1e-9
"""H.264 at 1080p: 275 frames a CPU-second, plus the two scaled pictures."""
LEAST_SHARED_CPU_S = 0.2
"""A clip that costs less is decoded sooner by one process than two processes are told of it."""
LARGEST_PART = 0.8
"""Of a clip: with a larger part its end would hardly come sooner."""
_INDEXED = frozenset({"mov", "matroska"})
"""Containers that list when key frames are shown."""
# CPU time of each codec's decoder in proportion to that of H.264.
CODEC_FACTOR = {"h264": 1.0, "hevc": 1.3, "vp9": 1.0, "av1": 1.2, "mpeg2video": 0.5, "mpeg4": 0.6}
# Key frames alone cost about a tenth (measured); cells without one cost more.
FAST_FACTOR = 1 / 8


def plan_spans(
    media: Media,
    keyframes_ns: Sequence[int],
    wanted_segments: Iterable[int],
    *,
    max_span_ns: int = MAX_SPAN_NS,
    max_cost_cpu_s: float = MAX_COST_CPU_S,
    profile: str = "full",
    children: int = 1,
    context_ns: int = CONTEXT_NS,
) -> list[range]:
    """Spans of consecutive wanted cells: ascending, disjoint, and together exactly the wanted cells. So many `children`
    share a short film, where that costs little: no span of it has less than `LEAST_CELLS`. `context_ns`: what a span
    needs before its first cell.

    A stretch is one span where its source can only be read from the beginning (several runs, MPEG-PS). A GOP that is
    longer than the limits is also one span. A cut would decode the same beginning for every span.
    """
    wanted = sorted(set(wanted_segments))
    keys = _KeyFrames(keyframes_ns, context_ns)
    limit = max(1, min(max_span_ns // SEGMENT_NS, int(max_cost_cpu_s / cell_cost_cpu_s(media, profile))))
    shared = min(limit, max(LEAST_CELLS, -(-len(wanted) // max(1, children))))
    found, parts = (_cut(media, keys, wanted, most) for most in (limit, shared))
    more_ns = sum(map(keys.run_in_ns, parts)) - sum(map(keys.run_in_ns, found))
    return parts if more_ns <= MOST_RUN_IN * len(wanted) * SEGMENT_NS else found


def _cut(media: Media, keys: "_KeyFrames", wanted: Sequence[int], limit: int) -> list[range]:
    spans: list[range] = []
    for stretch in _stretches(wanted):
        if not seekable(media):
            spans.append(stretch)
            continue
        start = stretch.start
        while start < stretch.stop:
            end = _span_end(start, stretch.stop, limit, keys)
            spans.append(range(start, end))
            start = end
    return spans


def split_of(media: Media, keyframes_ns: Sequence[int], profile: str = "full") -> int | None:
    """The key frame (asset time, ns) at which decoding of an asset of one cell begins anew, so that two processes can
    decode it. None where that would gain little, or where a reader cannot begin at a key frame.
    """
    duration_ns = media.duration_ns
    if profile != "full" or segment_count(duration_ns) > 1 or not seekable(media) or media.parts:
        return None
    cost_cpu_s = cell_cost_cpu_s(media, profile) * duration_ns / SEGMENT_NS
    if media.container not in _INDEXED or cost_cpu_s < LEAST_SHARED_CPU_S:
        return None
    larger = {max(at, duration_ns - at): at for at in sorted(keyframes_ns) if 0 < at < duration_ns}
    least = min(larger, default=duration_ns)
    return larger[least] if least <= LARGEST_PART * duration_ns else None


def cell_cost_cpu_s(media: Media, profile: str) -> float:
    """Estimated CPU-seconds to decode one cell; never 0."""
    seconds = SEGMENT_NS / SECOND_NS
    # A header may claim any rate, and a huge cost would cut every span to one cell.
    rate = min(media.average_rate or 30.0, 1000.0)
    cost = media.width * media.height * rate * seconds * CPU_S_PER_PIXEL * CODEC_FACTOR.get(media.codec, 1.5)
    # A damaged header may claim 0 pixels, and `plan_spans` divides by the cost.
    return max(1e-3, cost * (FAST_FACTOR if profile == "fast" else 1.0))


def _stretches(segments: Sequence[int]) -> list[range]:
    found: list[range] = []
    for segment in segments:
        if found and found[-1].stop == segment:
            found[-1] = range(found[-1].start, segment + 1)
        else:
            found.append(range(segment, segment + 1))
    return found


def _span_end(start: int, stop: int, limit: int, keys: "_KeyFrames") -> int:
    """The end in the last third of the allowed range after which the next span needs the shortest run-in."""
    latest = start + limit
    if latest >= stop:
        return stop
    if not keys.times_ns:
        return latest
    # Only the last third: spans that end earlier would be too short to be worth their run-in.
    candidates = range(max(start + 1, latest - limit // 3), latest + 1)
    end = min(candidates, key=lambda cell: (keys.run_in_ns(range(cell, stop)), -cell))
    # Without a key frame inside the span, the next span would decode this one again: extend to the next key frame.
    if keys.before(end) > start * SEGMENT_NS:
        return end
    while end < stop and keys.before(end) <= start * SEGMENT_NS:
        end += 1
    return end


@dataclass(frozen=True, slots=True)
class _KeyFrames:
    """Where decoding may begin, ascending, and what a span needs before its first cell."""

    times_ns: Sequence[int]
    context_ns: int

    def before(self, cell: int) -> int:
        """The time of the key frame where decoding starts for a span that begins with this cell."""
        number = bisect_right(self.times_ns, max(0, cell * SEGMENT_NS - self.context_ns))
        return self.times_ns[number - 1] if number else 0

    def run_in_ns(self, span: range) -> int:
        """What is decoded before the span's first cell."""
        return span.start * SEGMENT_NS - self.before(span.start)
