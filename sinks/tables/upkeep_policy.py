"""Which fragments of a table are joined and which of them share parts of indexes (pure): so that upkeep of a row costs
the same at any size of the table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise


@dataclass(frozen=True, slots=True)
class Fragment:
    """`part`: which fragments lie in the same parts of indexes, by any number; None where no index covers it.
    `covered`: every index that is not of vectors does. Whoever rewrites a fragment rewrites the parts that cover it,
    and only fragments of the same parts can be joined.
    """

    fragment_id: int
    rows: int
    deleted: int = 0
    part: int | None = None
    covered: bool = False

    @property
    def live(self) -> int:
        return self.rows - self.deleted


_Parts = list[list[Fragment]]


@dataclass(frozen=True, slots=True)
class Joining:
    """What is rewritten at once: neighbours become fragments of about `target_rows`, worn ones lose deleted rows."""

    fragment_ids: tuple[int, ...]
    target_rows: int


@dataclass(frozen=True, slots=True)
class UpkeepPolicy:
    """New fragments (the tail) are joined up to `joined_rows` as soon as there are `tail_fragments` small ones. With
    `least_rows` they are joined up to `fragment_rows` and become a part of their own in each index. The tail is short,
    as a look-up, an update and a merge read all of it.

    Parts are of sizes, each `most_parts` times the one below: from 0, from `middle_rows`, and so on up to large ones,
    from half of `part_rows` on. Parts of a size become one when there are `most_parts`, or when they make one well
    above it. Large ones are not joined: a row is indexed a few times however large the table is, and what is built or
    rewritten at once stays within bounds. A fragment is rewritten where a share `deleted` of it is gone, and
    `small_fragments` neighbours that are small are joined.

    Commits that change rows wait for a join of at most `exclusive_rows`. A part of a vector index that covers only some
    of them is rewritten whole: 1 to 2 s for 250,000 rows. So in a table with vectors they wait only where such parts
    have at most `exclusive_part_rows`.
    """

    tail_fragments: int = 16
    joined_rows: int = 8_192
    fragment_rows: int = 16_384
    least_rows: int = 512
    middle_rows: int = 8_192
    part_rows: int = 262_144
    most_parts: int = 4
    deleted: float = 0.3
    small_fragments: int = 4
    exclusive_rows: int = 8_192
    exclusive_part_rows: int = 32_768

    def joinings(self, fragments: Sequence[Fragment]) -> list[Joining]:
        """What is to be rewritten, before parts are built."""
        old = self._old([item for item in fragments if item.part is not None])
        return [*old, *self._tail([item for item in fragments if item.part is None], whole=self.index_due(fragments))]

    def is_long(self, joining: Joining, fragments: Iterable[Fragment], *, vectors: bool) -> bool:
        """Whether it takes so long that no commit is to wait for it, in a table with `vectors` or one without."""
        parts = [part for part in parts_of(fragments) if any(item.fragment_id in joining.fragment_ids for item in part)]
        chosen = [item for part in parts for item in part if item.fragment_id in joining.fragment_ids]
        return _live(chosen) > self.exclusive_rows or (vectors and sum(map(_live, parts)) > self.exclusive_part_rows)

    def index_due(self, fragments: Iterable[Fragment]) -> bool:
        return sum(item.live for item in fragments if not item.covered) >= self.least_rows

    def new_parts(self, fragments: Sequence[Fragment]) -> list[tuple[int, ...]]:
        """Fragments that become one part of each index, in place of the parts that cover them now. `fragments` are in
        the order of their rows.
        """
        held = parts_of(fragments)
        tail = [part for part in held if not all(item.covered for item in part)]
        standing = [part for part in held if part not in tail]
        new = self._filled(tail)
        for size in pairwise(self._sizes()):
            new, standing = self._joined(new, standing, size)
        return [tuple(item.fragment_id for item in part) for part in new]

    def _sizes(self) -> list[float]:
        """Of parts, from the smallest to large ones."""
        sizes: list[float] = [0, self.middle_rows]
        while sizes[-1] < self.part_rows / 2:
            sizes.append(min(self.most_parts * sizes[-1], self.part_rows / 2))
        return sizes

    def whole(self, fragments: Sequence[Fragment]) -> list[tuple[int, ...]]:
        """All fragments, in parts within bounds whatever lay together before, and few."""
        return [tuple(item.fragment_id for item in part) for part in self._filled([[item] for item in fragments])]

    def _joined(self, new: _Parts, standing: _Parts, size: tuple[float, float]) -> tuple[_Parts, _Parts]:
        """New and standing parts, after those of such a size became one where they are many."""
        least, above = size
        few = [part for part in (*standing, *new) if least <= _live(part) < above]
        if len(few) < 2 or (len(few) < self.most_parts and sum(map(_live, few)) < 2 * above):
            return new, standing
        one = [item for part in few for item in part]
        rest, left = ([part for part in parts if part not in few] for parts in (new, standing))
        return [*rest, one], left

    def _filled(self, parts: _Parts) -> _Parts:
        """Parts in their order, as many together as make `part_rows`."""
        made: _Parts = []
        for part in parts:
            if not made or _live(made[-1]) >= self.part_rows:
                made.append([])
            made[-1] = [*made[-1], *part]
        return made

    def _old(self, fragments: Sequence[Fragment]) -> list[Joining]:
        """Part by part: all that is rewritten at once of one part costs one rewrite of that part."""
        found: dict[int | None, list[list[Fragment]]] = {}
        for part, some in groupby(fragments, key=lambda item: item.part):
            neighbours = list(some)
            small = [self._is_small(item) for item in neighbours]
            for run in self._runs(neighbours, small, self.fragment_rows):
                if len(run) >= self.small_fragments or any(map(self._is_worn, run)):
                    found.setdefault(part, []).append(run)
            worn = [self._is_worn(item) and not self._is_small(item) for item in neighbours]
            found.setdefault(part, []).extend(self._runs(neighbours, worn, 1))
        return [joining for runs in found.values() for joining in self._at_once(runs)]

    def _at_once(self, runs: Sequence[Sequence[Fragment]]) -> list[Joining]:
        """Of one part. Within bounds, as commits that change rows wait for it."""
        chosen: list[list[Fragment]] = []
        for run in runs:
            if not chosen or sum(item.live for item in chosen[-1]) >= 2 * self.fragment_rows:
                chosen.append([])
            chosen[-1].extend(run)
        return [Joining(tuple(item.fragment_id for item in some), self.fragment_rows) for some in chosen]

    def _tail(self, fragments: Sequence[Fragment], *, whole: bool) -> list[Joining]:
        small = [item.live < self.joined_rows for item in fragments]
        if whole:
            runs, target = self._runs(fragments, [True] * len(fragments), self.fragment_rows), self.fragment_rows
        elif sum(small) >= self.tail_fragments:
            runs, target = self._runs(fragments, small, self.joined_rows), self.joined_rows
        else:
            runs, target = self._runs(fragments, [self._is_worn(item) for item in fragments], 1), self.joined_rows
        # One alone is worth it only where it is worn.
        chosen = [run for run in runs if len(run) > 1 or any(map(self._is_worn, run))]
        return [Joining(tuple(item.fragment_id for item in run), target) for run in chosen]

    def _is_worn(self, item: Fragment) -> bool:
        return item.deleted > 0 and item.deleted >= self.deleted * item.rows

    def _is_small(self, item: Fragment) -> bool:
        return item.live < self.fragment_rows / 2

    @staticmethod
    def _runs(fragments: Sequence[Fragment], chosen: Sequence[bool], rows: int) -> list[list[Fragment]]:
        """Runs of chosen neighbours, cut where they have rows enough."""
        runs: list[list[Fragment]] = [[]]
        for item, wanted in zip(fragments, chosen, strict=True):
            if not wanted or sum(held.live for held in runs[-1]) >= rows:
                runs.append([])
            if wanted:
                runs[-1].append(item)
        return [run for run in runs if run]


def parts_of(fragments: Iterable[Fragment]) -> _Parts:
    """By the parts of indexes that they lie in; one that no index covers is alone. In the order of their rows."""
    found: dict[tuple[str, int], list[Fragment]] = {}
    for item in fragments:
        key = ("fragment", item.fragment_id) if item.part is None else ("part", item.part)
        found.setdefault(key, []).append(item)
    return list(found.values())


def _live(part: Iterable[Fragment]) -> int:
    return sum(item.live for item in part)


DEFAULT_POLICY = UpkeepPolicy()
