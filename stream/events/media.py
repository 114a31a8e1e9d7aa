"""Facts of a video stream. Plan finds them and decode relies on them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from stream.events.ids import Int64
from stream.events.runs import Part, Positive, Run

Note = Annotated[str, StringConstraints(max_length=2000)]
_Edge = Annotated[int, Field(ge=0, lt=2**31)]
Crop = tuple[_Edge, _Edge, _Edge, _Edge]
"""Rows removed at the top and bottom, columns removed at the left and right."""


class Media(BaseModel):
    """Facts of the video stream. Plan finds them and decode relies on them.

    `crop` is what the container takes off a coded picture; display size is what is left, after pixel aspect and
    rotation. The picture is turned clockwise by `rotation`, then `mirrored` left to right. `coded_aspect` is the pixel
    aspect that the first picture states itself (1 where it states none): it tells a later change. `dolby_vision` is
    the profile where the base layer is IPT-PQ-c2 instead of Y'CbCr. `runs` lie end to end from asset time 0;
    `duration_ns` is the end of the last frame shown. `parts` is empty where the file is one recording.
    `reorder_ticks`: where the container knows decode times only, how long after its packet's the decoder shows a frame.
    `timecode` is what the source calls its first picture (`HH:MM:SS:FF`, `;` before drop-frame's frames).
    `file_offset_ns`: when players show the first picture, in the file's own time line (sound may begin before it).
    `notes` say in words what a viewer of the results should know.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    container: str
    codec: str
    stream_index: Int64
    width: Positive
    height: Positive
    display_width: Positive
    display_height: Positive
    rotation: int = 0
    mirrored: bool = False
    crop: Crop = (0, 0, 0, 0)
    coded_aspect: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    dolby_vision: int | None = None
    pix_fmt: str = ""
    interlaced: bool = False
    time_base_num: Positive
    time_base_den: Positive
    average_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    duration_ns: Positive
    frame_count: Int64 | None = None
    runs: Annotated[tuple[Run, ...], Field(min_length=1)]
    parts: tuple[Part, ...] = ()
    reorder_ticks: Annotated[Int64, Field(ge=0)] = 0
    timecode: str | None = None
    file_offset_ns: Int64 = 0
    bit_rate: Int64 | None = None
    audio_streams: Int64 = 0
    notes: tuple[Note, ...] = ()
