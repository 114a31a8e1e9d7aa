"""What a filter in the box can be completed to: values that there are, with how many moments have each (pure)."""

from typing import TypedDict

from stream.service.page.box import FilterToken
from stream.service.schemas.facets import FacetsOut


class Completion(TypedDict):
    """`text`: the whole filter as it stands in the box."""

    text: str
    count: int


def completions(key: str, found: FacetsOut) -> list[Completion]:
    """Of filter `key`, the most frequent first; none for one whose values nobody counts, such as a time."""
    counted = {
        "tag": found.tags,
        "project": found.projects,
        "tenant": found.tenants,
        "label": found.labels,
        "kind": found.kinds,
    }
    if key in {"nsfw-from", "nsfw-below"}:
        return _scores(key, found)
    return [_completion(key, item.value, item.count) for item in counted.get(key, ())]


def _scores(key: str, found: FacetsOut) -> list[Completion]:
    bands = [band for band in found.moderation_nsfw if band.start > 0]
    above = {band.start: sum(it.count for it in found.moderation_nsfw if it.start >= band.start) for band in bands}
    rated = sum(band.count for band in found.moderation_nsfw)
    counts = above if key == "nsfw-from" else {start: rated - count for start, count in above.items()}
    return [_completion(key, f"{start:g}", count) for start, count in counts.items() if count]


def _completion(key: str, value: str, count: int) -> Completion:
    return Completion(text=str(FilterToken(key, value)), count=count)
