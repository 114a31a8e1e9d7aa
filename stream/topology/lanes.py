"""Lanes: whether somebody waits for an asset (`interactive`, with a freshness objective) or not (`batch`). Pure."""

from collections.abc import Mapping
from typing import Literal, cast

from stream.events.base import Payload

Lane = Literal["interactive", "batch"]
LANES: tuple[Lane, ...] = ("interactive", "batch")
LANE_HEADER = "rushes_lane"
"""Only records of the batch lane have it: the lane of megabytes of frames is known without a look at them."""


def lane_of(priority: Lane | int) -> Lane:
    """The lane of an event's `priority`: by name, or by number, where a number below zero means batch."""
    if isinstance(priority, int):
        return "batch" if priority < 0 else "interactive"
    return priority


def lane_asked(payload: Payload) -> Lane | None:
    """The lane of an event that asks for work, which is one with a `priority`; None for any other event."""
    priority = cast("Lane | int | None", getattr(payload, "priority", None))
    return None if priority is None else lane_of(priority)


def lane_header(payload: Payload) -> Mapping[str, bytes]:
    return {LANE_HEADER: b"batch"} if lane_asked(payload) == "batch" else {}


def lane_told(headers: Mapping[str, bytes]) -> Lane:
    """The lane of a record that a stage sent. Outside producers may write the header too, so it grants nothing."""
    return "batch" if headers.get(LANE_HEADER) == b"batch" else "interactive"
