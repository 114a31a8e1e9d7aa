"""Lanes of work: somebody waits for the interactive one, the batch one fills what is left. Pure."""

from typing import Literal

Lane = Literal["interactive", "batch"]
LANES: tuple[Lane, ...] = ("interactive", "batch")


def lane_of(priority: str | int) -> Lane:
    """The lane of an asset event's `priority`: the name of one, or a number, of which those below 0 are batch."""
    return "batch" if priority == "batch" or (isinstance(priority, int) and priority < 0) else "interactive"
