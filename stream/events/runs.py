"""Where footage lies in a file and on the asset's time line."""

from typing import Annotated, NamedTuple

from pydantic import Field

from stream.events.ids import Int64

Positive = Annotated[int, Field(ge=1, lt=2**63)]


class Run(NamedTuple):
    """A stretch without a jump of pts. Raw `first_pts` is shown at asset time `start_ns`; the run ends at `end_ns`. Its
    last picture goes on display at `last_ns` (0: not known). It begins with packet `first_packet` of the stream.
    """

    first_pts: Int64
    start_ns: Int64
    end_ns: Int64
    last_ns: Int64 = 0
    first_packet: Int64 = 0


class Part(NamedTuple):
    """One of several recordings in a file: bytes [start_byte, end_byte), opened separately (ADR 0030), with its own
    facts and runs [first_run, end_run). A `stream_index` below 0: none of its pictures could be read.
    """

    start_byte: Int64
    end_byte: Int64
    stream_index: Int64
    time_base_num: Positive
    time_base_den: Positive
    average_rate: float | None
    reorder_ticks: Int64
    first_run: Int64
    end_run: Int64
