"""Offsets of consumer groups over rounds: what is left, what does not move, and what is certainly done. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stream.broker.observation import GroupOffset

MAX_SAMPLES = 512


@dataclass(slots=True)
class _History:
    """Ends by round, so that a commit shows up to which round everything is acknowledged. No clock is involved."""

    rounds: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    seen: tuple[int, int] = (-1, -1)
    moved_ms: int = 0

    def observe(self, place: GroupOffset, turn: int, now_ms: int, *, served: bool) -> None:
        now = (place.acked, len(place.beyond))
        # Without records or members nothing can move, so the time without movement does not count.
        if now != self.seen or not place.offset_lag or not served:
            self.seen, self.moved_ms = now, now_ms
        if not self.ends or place.end > self.ends[-1]:
            self.rounds.append(turn)
            self.ends.append(place.end)
        else:
            self.rounds[-1] = turn  # no record came since, so the later round has the same end
        # Rounds before the last acknowledged one are never asked for again.
        keep_from = max(0, bisect_right(self.ends, place.acked) - 1)
        del self.rounds[:keep_from], self.ends[:keep_from]
        # Thinned out instead of cut: an old round stays known, only less exactly.
        if len(self.ends) > MAX_SAMPLES:
            del self.rounds[1:-1:2], self.ends[1:-1:2]

    def acked_round(self, acked: int) -> int:
        """The last round whose end is acknowledged; -1 for none."""
        known = bisect_right(self.ends, acked) - 1
        return self.rounds[known] if known >= 0 else -1


@dataclass(frozen=True, slots=True)
class GroupLag:
    """One stage over all its partitions. `busy_partitions` have records and move. `stuck_share` is the share of its
    records that lie in partitions which do not move.
    """

    offset_lag: Mapping[str, int]
    partitions: int
    busy_partitions: int = 0
    stuck_partitions: int = 0
    stuck_share: float = 0.0

    @property
    def records(self) -> int:
        return sum(self.offset_lag.values())


class GroupOffsets:
    """The fold. A partition is stuck after `stuck_after_s` without progress while it has members and records."""

    def __init__(self, stuck_after_s: float = 300.0) -> None:
        self._stuck_after_ms = stuck_after_s * 1000
        self._history: dict[tuple[str, str, int], _History] = {}
        self._now: dict[str, list[GroupOffset]] = {}
        self._now_ms = 0

    def observe(self, places: Iterable[GroupOffset], members: Mapping[str, int], *, turn: int, now_ms: int) -> None:
        """The offsets of every group in one round. `turn` counts up."""
        self._now, self._now_ms = {}, now_ms
        for place in places:
            self._now.setdefault(place.stage, []).append(place)
            history = self._history.setdefault((place.stage, place.topic, place.partition), _History(moved_ms=now_ms))
            history.observe(place, turn, now_ms, served=members.get(place.stage, 0) > 0)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages whose offsets are known."""
        return tuple(self._now)

    def of(self, stage: str, topic: str) -> Mapping[int, GroupOffset]:
        """The stage's offsets in a topic, by partition."""
        return {place.partition: place for place in self._now.get(stage, ()) if place.topic == topic}

    def acked_round(self, stage: str) -> int:
        """The last round whose records in the stage's topics are all acknowledged by now; -1 if nothing is known."""
        # The slowest partition decides. A later round is certain only when all have passed it.
        return min(
            (self._held(place).acked_round(place.acked) for place in self._now.get(stage, ())),
            default=-1,
        )

    def standing(self, stage: str) -> GroupLag:
        places = self._now.get(stage, [])
        lag: dict[str, int] = {}
        for place in places:
            lag[place.topic] = lag.get(place.topic, 0) + place.offset_lag
        # A partition counts as stuck only by this process's own observations, never at its first sight.
        stuck = [place for place in places if self._now_ms - self._held(place).moved_ms >= self._stuck_after_ms]
        left = sum(lag.values())
        return GroupLag(
            offset_lag=lag,
            # A member has work in a partition of any topic, but a stage's main topic decides how many have.
            partitions=max((sum(other.topic == topic for other in places) for topic in lag), default=0),
            busy_partitions=sum(place.offset_lag > 0 for place in places) - len(stuck),
            stuck_partitions=len(stuck),
            stuck_share=sum(place.offset_lag for place in stuck) / left if left else 0.0,
        )

    def _held(self, place: GroupOffset) -> _History:
        return self._history[place.stage, place.topic, place.partition]
