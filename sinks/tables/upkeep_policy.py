"""Which fragments of a table are joined and when its indexes grow (pure): so that upkeep of a row costs the same at any
size of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fragment:
    """`indexed`: some index covers it, so that whoever rewrites it rewrites indexes; `covered`: every index does;
    `joined`: each of them in its largest part. Only fragments that lie in the same parts can be joined.
    """

    fragment_id: int
    rows: int
    deleted: int = 0
    indexed: bool = False
    covered: bool = False
    joined: bool = False

    @property
    def live(self) -> int:
        return self.rows - self.deleted


@dataclass(frozen=True, slots=True)
class Joining:
    """Neighbours to be joined at once, into fragments of about `target_rows`; or one that has lost too many rows."""

    fragment_ids: tuple[int, ...]
    target_rows: int


@dataclass(frozen=True, slots=True)
class DueUpkeep:
    parts: tuple[Joining, ...]
    index: bool


@dataclass(frozen=True, slots=True)
class UpkeepPolicy:
    """New fragments (the tail) are joined up to `joined_rows` as soon as there are `tail_fragments` small ones. When
    the tail is a share `growth` of what indexes cover, and at least `least_rows`, it is joined up to `fragment_rows`
    and becomes a part of its own in each index; `index_parts` of these are joined. What indexes cover is rewritten only
    where a share `deleted` of it is gone, or where `small_fragments` of less than half of `fragment_rows` have come
    together. The tail is short, as a look-up, an update and a merge read all of it.
    """

    tail_fragments: int = 16
    joined_rows: int = 8_192
    fragment_rows: int = 32_768
    growth: float = 0.004
    least_rows: int = 512
    index_parts: int = 8
    deleted: float = 0.2
    small_fragments: int = 32

    def work(self, fragments: Sequence[Fragment]) -> DueUpkeep:
        """What is due."""
        uncovered = sum(item.live for item in fragments if not item.covered)
        covered = sum(item.live for item in fragments if item.covered)
        index = uncovered >= max(self.least_rows, self.growth * covered)
        old = self._worn([item for item in fragments if item.indexed])
        tail = self._tail([item for item in fragments if not item.indexed], whole=index)
        return DueUpkeep((*old, *tail), index)

    def _worn(self, fragments: Sequence[Fragment]) -> list[Joining]:
        small = [item for item in fragments if item.joined and item.live < self.fragment_rows / 2]
        join_small = len(small) >= self.small_fragments
        chosen = [self._is_worn(item) or (join_small and item in small) for item in fragments]
        return self._parts(fragments, chosen, self.fragment_rows)

    def _tail(self, fragments: Sequence[Fragment], *, whole: bool) -> list[Joining]:
        if whole:
            return self._parts(fragments, [True] * len(fragments), self.fragment_rows)
        small = [item.live < self.joined_rows for item in fragments]
        if sum(small) >= self.tail_fragments:
            return self._parts(fragments, small, self.joined_rows)
        worn = [self._is_worn(item) for item in fragments]
        return self._parts(fragments, worn, self.joined_rows)

    def _is_worn(self, item: Fragment) -> bool:
        return item.deleted > 0 and item.deleted >= self.deleted * item.rows

    def _parts(self, fragments: Sequence[Fragment], chosen: Sequence[bool], target_rows: int) -> list[Joining]:
        """Runs of chosen neighbours, cut where they have rows enough. One alone is worth it only where it is worn."""
        runs: list[list[Fragment]] = [[]]
        for item, wanted in zip(fragments, chosen, strict=True):
            if not wanted or sum(held.live for held in runs[-1]) >= target_rows:
                runs.append([])
            if wanted:
                runs[-1].append(item)
        return [
            Joining(tuple(item.fragment_id for item in run), target_rows)
            for run in runs
            if len(run) > 1 or any(self._is_worn(item) for item in run)
        ]


DEFAULT_POLICY = UpkeepPolicy()
