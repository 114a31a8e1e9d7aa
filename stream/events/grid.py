"""The asset's own time grid (pure). Cell k is [10k s, 10k+10 s); ticks are 25 Hz; all times integer nanoseconds."""

SECOND_NS = 1_000_000_000
SEGMENT_NS = 10 * SECOND_NS
TICK_NS = SECOND_NS // 25
SAMPLE_NS = SECOND_NS
SAMPLE_PHASE_NS = SECOND_NS // 2
TICKS_PER_SEGMENT = SEGMENT_NS // TICK_NS
CONTEXT_TICKS = 25
CONTEXT_NS = CONTEXT_TICKS * TICK_NS
DENSE_TICKS = TICKS_PER_SEGMENT + 2 * CONTEXT_TICKS
MAX_SEGMENTS = 1_000_000
"""115 days of video: a longer duration is a fault in the file."""


def segment_count(duration_ns: int) -> int:
    """How many cells cover [0, duration_ns); an asset with any frame has at least one."""
    return max(1, -(-duration_ns // SEGMENT_NS))


def segment_range(segment: int, duration_ns: int) -> tuple[int, int]:
    """Half-open range of a cell, clipped to the asset's end."""
    start_ns = segment * SEGMENT_NS
    # At least one nanosecond: a duration that rounds to the cell's start still has a frame in it.
    return start_ns, max(start_ns + 1, min(start_ns + SEGMENT_NS, duration_ns))


def sample_times(start_ns: int, end_ns: int) -> list[int]:
    """Grid positions k + 0.5 s inside [start_ns, end_ns); a range too short to hold one gets its middle."""
    first = -(-(start_ns - SAMPLE_PHASE_NS) // SAMPLE_NS) * SAMPLE_NS + SAMPLE_PHASE_NS
    return list(range(first, end_ns, SAMPLE_NS)) or [(start_ns + end_ns) // 2]


def dense_ticks(segment: int) -> range:
    """Tick numbers of a cell with its context on both sides; may begin before 0 (repeat the first frame there)."""
    first = segment * TICKS_PER_SEGMENT
    return range(first - CONTEXT_TICKS, first + TICKS_PER_SEGMENT + CONTEXT_TICKS)


def timecode(time_ns: int) -> str:
    """`HH:MM:SS.mmm`, for people."""
    millis = time_ns // 1_000_000
    seconds, millis = divmod(millis, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{millis:03d}"
