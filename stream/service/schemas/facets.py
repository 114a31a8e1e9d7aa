"""What the API says of the moments that filters keep, as counts."""

from collections import Counter
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from sinks.query.facets import NSFW_BANDS, FacetCounts
from stream.search.answer import FoundFacets
from stream.service.schemas import examples

MOST_VALUES = 100


class FacetOut(BaseModel):
    value: str
    count: int


class BandOut(BaseModel):
    """Moments with a score of `start` or more, and less than `end`; the last band has its end too."""

    start: float
    end: float
    count: int


class FacetsOut(BaseModel):
    """How many moments have what, the most frequent first, a hundred values of each at most."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.FACETS]})

    space: str
    moments: int = Field(description="How many were counted.")
    complete: bool = Field(description="Whether these are all; of a query only the best are counted.")
    tags: list[FacetOut]
    kinds: list[FacetOut]
    labels: list[FacetOut] = Field(description="Labels of assets as `k=v`.")
    projects: list[FacetOut]
    tenants: list[FacetOut]
    moderation_nsfw: list[BandOut]

    @classmethod
    def of(cls, found: FoundFacets, most: int | None) -> Self:
        """`most`: how many moments were looked at, if not all."""
        counts = found.counts
        return cls(
            space=found.space,
            moments=counts.moments,
            complete=most is None or counts.moments < most,
            tags=_values(counts.tags),
            kinds=_values(counts.kinds),
            labels=_values(counts.labels),
            projects=_values(counts.projects),
            tenants=_values(counts.tenants),
            moderation_nsfw=_bands(counts),
        )


def _values(counts: Counter[str]) -> list[FacetOut]:
    # By name among equals: the order must not change from one request to the next.
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [FacetOut(value=value, count=count) for value, count in ordered[:MOST_VALUES]]


def _bands(counts: FacetCounts) -> list[BandOut]:
    ends = (*NSFW_BANDS[1:], 1.0)
    return [
        BandOut(start=start, end=end, count=counts.nsfw[start]) for start, end in zip(NSFW_BANDS, ends, strict=True)
    ]
