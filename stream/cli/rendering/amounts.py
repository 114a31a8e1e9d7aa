"""How much work something is, for people: video as a time, all else as a count."""

from stream.cli.rendering.durations import duration
from stream.topology.unit import VIDEO_SECONDS, Unit


def amount(units: float, unit: Unit) -> str:
    """`3m20s` of video, `600` or `1235k` of anything else, `-` for nothing."""
    if unit == VIDEO_SECONDS:
        return duration(units)
    if units < 99_999.5:
        return f"{units:.0f}" if units else "-"
    return f"{units / 1000:.0f}k"
