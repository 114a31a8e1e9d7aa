"""What an asset holds, as lanes over its time (pure): shots, tags, moderation, captions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sinks.query.moments import StoredMoment
from stream.search.shots import Shot, assemble


@dataclass(frozen=True, slots=True)
class TagRange:
    """[start_ns, end_ns) of asset time in which a tag holds, with its highest score."""

    label: str
    kind: str
    start_ns: int
    end_ns: int
    score: float


@dataclass(frozen=True, slots=True)
class Lanes:
    """`moments` in the order of time; `tags` by label, then by time. `not_looked_for`: of shots, tags and moderation,
    what no model has looked for in any of the moments.
    """

    shots: tuple[Shot, ...]
    moments: tuple[StoredMoment, ...]
    tags: tuple[TagRange, ...]
    not_looked_for: tuple[str, ...] = ()


def lanes_of(moments: Sequence[StoredMoment]) -> Lanes:
    """The lanes of the moments of one asset."""
    ordered = sorted(moments, key=lambda moment: (moment.start_ns, moment.kind))
    shots = sorted(assemble(ordered), key=lambda shot: shot.start_ns)
    nowhere = set[str].intersection(*(set(moment.not_looked_for) for moment in ordered)) if ordered else set[str]()
    return Lanes(tuple(shots), tuple(ordered), tuple(_tags(ordered)), tuple(sorted(nowhere)))


def _tags(moments: Iterable[StoredMoment]) -> list[TagRange]:
    """Ranges that touch are one."""
    found: dict[tuple[str, str], list[TagRange]] = {}
    for moment in moments:
        for label, score in moment.tags:
            ranges = found.setdefault((label, moment.kind), [])
            if ranges and ranges[-1].end_ns >= moment.start_ns:
                last = ranges.pop()
                ranges.append(replace(last, end_ns=max(last.end_ns, moment.end_ns), score=max(score, last.score)))
            else:
                ranges.append(TagRange(label, moment.kind, moment.start_ns, moment.end_ns, score))
    return [item for key in sorted(found) for item in found[key]]
