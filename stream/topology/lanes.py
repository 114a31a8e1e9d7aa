"""Lanes: whether somebody waits for an asset (`interactive`, with a freshness objective) or not (`batch`). Pure."""

from typing import Literal

Lane = Literal["interactive", "batch"]
LANES: tuple[Lane, ...] = ("interactive", "batch")


def lane_of(priority: Lane | int) -> Lane:
    """The lane of an event's `priority`: by name, or by number, where what is below zero can wait."""
    if isinstance(priority, int):
        return "batch" if priority < 0 else "interactive"
    return priority
