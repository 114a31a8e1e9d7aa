"""Joins moments into shots (pure): consecutive moments without a cut between them are one shot."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Moment(Protocol):
    """What shot assembly needs of a moment. Neighbours have the same `content_key` and `kind`."""

    @property
    def content_key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def starts_at_cut(self) -> bool: ...
    @property
    def ends_at_cut(self) -> bool: ...
    @property
    def shot_method(self) -> str: ...


class Ranked(Protocol):
    """A moment that a query found. A higher `score` is better."""

    @property
    def moment(self) -> Moment: ...
    @property
    def score(self) -> float: ...


RankedT = TypeVar("RankedT", bound=Ranked)


@dataclass(frozen=True, slots=True)
class Shot:
    """[start_ns, end_ns) of asset time. Where no shots were detected, each moment is its own shot."""

    content_key: str
    kind: str
    start_ns: int
    end_ns: int


def assemble(moments: Iterable[Moment]) -> list[Shot]:
    """Shots of any number of contents, sorted by content, kind and time. Order and duplicates of the input do not
    matter.
    """
    shots: list[Shot] = []
    last: Moment | None = None
    # Sorted, because hits come in the order of their scores.
    for moment in sorted(moments, key=_place):
        if last is not None and shots and _continues(last, moment):
            previous = shots.pop()
            shots.append(Shot(previous.content_key, previous.kind, previous.start_ns, moment.end_ns))
        # A duplicate of the previous moment begins no shot.
        elif last is None or _place(last) != _place(moment):
            shots.append(Shot(moment.content_key, moment.kind, moment.start_ns, moment.end_ns))
        last = moment
    return shots


def _continues(last: Moment, moment: Moment) -> bool:
    same = (last.content_key, last.kind) == (moment.content_key, moment.kind)
    # Without shot detection a missing cut means nothing.
    known = moment.shot_method != "none"
    return same and known and last.end_ns == moment.start_ns and not (last.ends_at_cut or moment.starts_at_cut)


def _place(moment: Moment) -> tuple[str, str, int, int]:
    return moment.content_key, moment.kind, moment.start_ns, moment.end_ns


@dataclass(frozen=True, slots=True)
class ShotHit(Generic[RankedT]):
    """A shot with its found moments, best first. `score` is that of the best one."""

    shot: Shot
    hits: tuple[RankedT, ...]

    @property
    def score(self) -> float:
        return self.hits[0].score


def group_into_shots(hits: Sequence[RankedT], moments: Iterable[Moment] = ()) -> list[ShotHit[RankedT]]:
    """Joins the hits of one shot. The best shots come first, equal ones in the order of `hits`.

    `moments` are neighbours that were not found. With them a shot gets its full range and its hits are joined.
    """
    shots = assemble([*(hit.moment for hit in hits), *moments])
    starts = [(shot.content_key, shot.kind, shot.start_ns) for shot in shots]
    found: dict[Shot, list[RankedT]] = {}
    for hit in hits:
        place = bisect_right(starts, (hit.moment.content_key, hit.moment.kind, hit.moment.start_ns)) - 1
        found.setdefault(shots[place], []).append(hit)
    joined = [ShotHit(shot, tuple(sorted(items, key=lambda item: -item.score))) for shot, items in found.items()]
    return sorted(joined, key=lambda item: -item.score)
