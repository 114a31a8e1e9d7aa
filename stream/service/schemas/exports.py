"""What the API takes for exports."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from stream.events.timecode import edit_rate
from stream.search.request import Grouping
from stream.service.schemas import examples
from stream.service.schemas.search import FacetsIn, PictureSearchIn

MOST_EXPORTED = 10_000
Format = Literal["csv", "jsonl", "parquet", "edl", "otio"]
_MomentId = Annotated[str, Field(min_length=1, max_length=200)]


class ExportSearchIn(PictureSearchIn, FacetsIn):
    """A search whose hits are exported."""

    limit: int = Field(200, ge=1, le=MOST_EXPORTED)
    as_fresh_as: None = None


class ExportIn(BaseModel):
    """What to export: the moments of a selection, in their order, or the hits of a search."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": examples.EXPORT_IN},
    )

    format: Format
    fps: float = Field(
        25,
        ge=1,
        le=120,
        description="Frame rate of the edit: whole, 23.976, 29.97 or 59.94. Footage with a time code keeps its own.",
    )
    moment_ids: list[_MomentId] = Field([], max_length=MOST_EXPORTED)
    space: str | None = Field(None, max_length=200, description="Of the answer that named the moments.")
    group: Grouping = Field("shot", description="Of moments: whether each stands for the shot that it lies in.")
    search: ExportSearchIn | None = None

    @field_validator("fps")
    @classmethod
    def _edits(cls, fps: float) -> float:
        edit_rate(fps)
        return fps

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.moment_ids) == (self.search is not None):
            raise ValueError("say what to export: moment_ids, or a search")
        return self
