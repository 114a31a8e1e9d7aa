"""Counts beside the results, each with the address that narrows the state down to it (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from stream.service.page.box import BoxText, FilterToken
from stream.service.page.state import FEWEST_HITS, SearchState
from stream.service.schemas.facets import FacetOut, FacetsOut

_MOST = 12


@dataclass(frozen=True, slots=True)
class FacetLink:
    """`chosen`: the filter is in force, and the address is that without it."""

    text: str
    count: int
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class FacetGroup:
    name: str
    links: tuple[FacetLink, ...]


@dataclass(frozen=True, slots=True)
class FacetsView:
    """Groups that have a choice. `complete`: whether all moments were counted, or the best of a query."""

    groups: tuple[FacetGroup, ...]
    moments: int
    complete: bool

    @classmethod
    def of(cls, found: FacetsOut, state: SearchState) -> Self:
        counted = (
            ("Tags", "tag", found.tags),
            ("Projects", "project", found.projects),
            ("Tenants", "tenant", found.tenants),
            ("Labels", "label", found.labels),
            ("Kinds", "kind", found.kinds),
        )
        groups = [FacetGroup(name, _links(key, values, state)) for name, key, values in counted]
        groups.append(FacetGroup("Moderation", _bands(found, state)))
        return cls(tuple(group for group in groups if group.links), found.moments, found.complete)


def _links(key: str, values: Iterable[FacetOut], state: SearchState) -> tuple[FacetLink, ...]:
    return tuple(_link(item.value, item.count, FilterToken(key, item.value), state) for item in list(values)[:_MOST])


def _bands(found: FacetsOut, state: SearchState) -> tuple[FacetLink, ...]:
    """From each score on."""
    bands = found.moderation_nsfw
    counts = [(band.start, sum(later.count for later in bands[at:])) for at, band in enumerate(bands)]
    return tuple(
        _link(f"{start:g} or more", count, FilterToken("nsfw-from", f"{start:g}"), state)
        for start, count in counts
        if count and start > 0
    )


def _link(text: str, count: int, token: FilterToken, state: SearchState) -> FacetLink:
    box = state.box
    # A search needs words, and the tag of a moment is among those that find it.
    asked = BoxText(text, box.tokens) if token.key == "tag" and not state.asks else box.toggled(token)
    return FacetLink(text, count, state.url(q=str(asked), limit=FEWEST_HITS), token in box.tokens)
