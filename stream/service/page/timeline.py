"""What lies beneath the player: lanes over the time of an asset as shapes, in per cent of its length (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from stream.service.schemas.assets import AssetDetailOut, TagRangeOut
from stream.service.schemas.search import HitOut

WIDTH = 100
_TAGS_SHOWN = 8
_STRENGTHS = {"strong": 4, "fair": 2, "weak": 1, "unrated": 3}
_LEAST = 0.2
"""So that a moment of a long asset can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """From `x`. `level`: 0 to 4, how much of what the lane shows."""

    x: float
    width: float
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Lane:
    """`kind`: what it shows, apart from its name, which may be a tag's."""

    name: str
    bars: tuple[Bar, ...]
    kind: str = "tag"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes from above, and marks of time as (x, text)."""

    lanes: tuple[Lane, ...]
    marks: tuple[tuple[float, str], ...]
    duration_s: float

    @classmethod
    def of(cls, detail: AssetDetailOut, hits: Sequence[HitOut] = ()) -> Self | None:
        """With a lane of `hits`, if there are any. None where there is no time to show, or nothing in it."""
        duration_s = detail.asset.duration_s
        if duration_s <= 0 or not detail.moments:
            return None
        scale = WIDTH / duration_s

        def bar(start_s: float, end_s: float, level: int, text: str) -> Bar:
            width = max(_LEAST, (end_s - start_s) * scale)
            return Bar(round(max(0.0, min(start_s * scale, WIDTH - width)), 3), round(width, 3), level, text)

        shots = [
            bar(shot.times.start_s, shot.times.end_s, number % 2 + 1, f"shot from {shot.times.start}")
            for number, shot in enumerate(detail.shots)
        ]
        rated = [
            bar(
                moment.times.start_s,
                moment.times.end_s,
                _level(moment.moderation_nsfw),
                f"{moment.moderation_nsfw:.2f}",
            )
            for moment in detail.moments
            if moment.moderation_nsfw is not None
        ]
        found = [bar(hit.start_s, hit.end_s, _STRENGTHS[hit.strength], f"{hit.strength}, {hit.start}") for hit in hits]
        lanes = [Lane("hits", tuple(found), "hits")] if found else []
        unseen = detail.not_looked_for
        # Ranges that only end where nobody looked would be taken for shots.
        lanes += [Lane("shots", () if "shots" in unseen else tuple(shots), "shots")]
        lanes += [
            Lane(label, tuple(bar(item.start_s, item.end_s, _level(item.score), label) for item in ranges))
            for label, ranges in _most_shown(detail.tags)
        ]
        # Without it nobody could tell what was not looked for from what is harmless.
        lanes += [Lane("tags", (), "tags")] if "tags" in unseen else []
        lanes += [Lane("moderation", tuple(rated), "moderation")] if rated or "moderation" in unseen else []
        lost = [bar(start, end, 4, "missing") for start, end in detail.asset.missing_s]
        lost += [bar(start, end, 2, "damaged") for start, end in detail.asset.damaged_s]
        lanes += [Lane("missing", tuple(lost), "missing")] if lost else []
        lanes = [replace(lane, name=f"{lane.name}: not looked for") if lane.kind in unseen else lane for lane in lanes]
        return cls(tuple(lanes), _marks(duration_s), duration_s)


def _most_shown(tags: Iterable[TagRangeOut]) -> list[tuple[str, Sequence[TagRangeOut]]]:
    """Those that hold longest, by name."""
    by_label: dict[str, list[TagRangeOut]] = {}
    for item in tags:
        by_label.setdefault(item.label, []).append(item)
    longest = sorted(by_label.items(), key=lambda pair: (-sum(it.end_s - it.start_s for it in pair[1]), pair[0]))
    return sorted(longest[:_TAGS_SHOWN])


def _level(share: float | None) -> int:
    return min(4, int((share or 0) * 5))


def _marks(duration_s: float) -> tuple[tuple[float, str], ...]:
    """At most ten, at round times."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
    step = next((it for it in steps if duration_s / it <= 10), 86_400)
    return tuple((round(at / duration_s * WIDTH, 3), _clock(at)) for at in range(0, int(duration_s) + 1, step))


def _clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
