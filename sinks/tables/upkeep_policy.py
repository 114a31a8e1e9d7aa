"""Which fragments of a table are joined and when its indexes grow (pure): so that upkeep of a row costs the same at any
size of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fragment:
    """`indexed`: some index covers it, so that whoever rewrites it rewrites the parts of indexes that cover it;
    `covered`: every index does; `joined`: each of them in its largest part. Only fragments that lie in the same parts
    can be joined.
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
    and becomes a part of its own in each index. Where an index has `index_parts`, those newer than the largest are
    joined, and so are the small fragments that they cover: those of less than half of `joined_rows`. With the largest
    part they are joined once they are a share `index_share` of it. A fragment is rewritten where a share `deleted` of
    it is gone. What the largest part covers is rewritten only where `deleted_joined` is, or where `small_fragments`
    have come together: it costs as much as the whole index. The tail is short, as a look-up, an update and a merge read
    all of it.
    """

    tail_fragments: int = 16
    joined_rows: int = 8_192
    fragment_rows: int = 32_768
    growth: float = 0.004
    least_rows: int = 512
    index_parts: int = 8
    index_share: float = 0.25
    deleted: float = 0.2
    deleted_joined: float = 0.5
    small_fragments: int = 32

    def work(self, fragments: Sequence[Fragment]) -> DueUpkeep:
        """What is due."""
        uncovered = sum(item.live for item in fragments if not item.covered)
        covered = sum(item.live for item in fragments if item.covered)
        index = uncovered >= max(self.least_rows, self.growth * covered)
        # Apart from the tail: only fragments in the same parts of indexes can be joined.
        old = self._worn([item for item in fragments if item.indexed])
        tail = self._tail([item for item in fragments if not item.indexed], whole=index)
        return DueUpkeep((*old, *tail), index)

    def new_parts(self, rows: Sequence[int]) -> int:
        """How many of the parts of an index, of so many rows each from the oldest on, become one with the tail: those
        after the largest.
        """
        if len(rows) < self.index_parts:
            return 0
        # Without the largest, as joining that one rewrites the whole index.
        return len(rows) - 1 - rows.index(max(rows)) or len(rows)

    def joins_whole(self, rows: Sequence[int]) -> bool:
        """Whether the parts of an index, of so many rows each, become one."""
        largest = max(rows, default=0)
        return len(rows) > 1 and sum(rows) - largest >= self.index_share * largest

    def lately_covered(self, fragments: Sequence[Fragment]) -> list[Joining]:
        """The small fragments that lie in the new parts of indexes, which were joined."""
        chosen = [item.covered and not item.joined and self._is_small(item) for item in fragments]
        return self._parts(fragments, chosen, self.joined_rows)

    def _worn(self, fragments: Sequence[Fragment]) -> list[Joining]:
        small = [item for item in fragments if item.joined and self._is_small(item)]
        # Not sooner: rewriting what the largest part covers costs as much as the whole index.
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
        share = self.deleted_joined if item.joined else self.deleted
        return item.deleted > 0 and item.deleted >= share * item.rows

    def _is_small(self, item: Fragment) -> bool:
        return item.live < self.joined_rows / 2

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
