"""Which rows the network sees at a time (pure): little beside what it is asked about, and more where that leaves doubt.

How much it sees beside a row moves what it says of it. From 50 rows on it says the same. The numbers are measured in
ADR 0090.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.protocol import Floats
from models.shots.candidates import candidates_in
from models.shots.places import Dense, Flags
from stream.events.grid import CONTEXT_TICKS

JudgeAll = Callable[[Sequence[Dense]], Iterable[Floats]]
"""Windows of uint8 [n, 27, 48, 3] -> for each, float32 [n]: how likely each row is the last of its shot."""


@dataclass(frozen=True, slots=True)
class Look:
    """It sees so many rows on both sides. A run of rows above `doubt_above` gets the next look, if none of them is
    above `doubt_up_to`.
    """

    beside: int
    doubt_above: float
    doubt_up_to: float


LOOKS = (Look(12, 0.2, 0.55), Look(25, 0.4, 0.5), Look(50, 1.0, 1.0))
"""The last leaves no doubt."""


def cut_probabilities(dense: Dense, judge_all: JudgeAll) -> Floats:
    """Of a cell with its context, as `ShotDetector` has it. 0 where no transition can be, 1 at clear cuts."""
    found = candidates_in(dense)
    # The row before the cell's first tells of a cut on its edge.
    own = range(CONTEXT_TICKS - 1, len(dense) - CONTEXT_TICKS + 1)
    probabilities = np.zeros(len(dense), np.float32)
    wanted = found.possible
    seen: list[range] = []
    for look in LOOKS:
        # What lies in a window as a whole was seen with so much beside it.
        fresh = [(rows, asked) for rows, asked in windows(wanted, own, look.beside) if not _in_one_of(rows, seen)]
        judged = judge_all([dense[rows.start : rows.stop] for rows, _ in fresh])
        for (rows, asked), said in zip(fresh, judged, strict=True):
            of_asked = said[asked.start - rows.start :][: len(asked)]
            # A window may join stretches: what lies between them was not asked.
            where = slice(asked.start, asked.stop)
            probabilities[where] = np.where(wanted[where], of_asked, probabilities[where])
        seen += [rows for rows, _ in fresh]
        wanted = wanted & in_doubt(probabilities, look)
    probabilities[found.cuts] = 1.0
    return probabilities


def _in_one_of(rows: range, seen: Sequence[range]) -> bool:
    return any(rows.start >= window.start and rows.stop <= window.stop for window in seen)


def windows(wanted: Flags, own: range, beside: int) -> list[tuple[range, range]]:
    """(rows for the network, the stretches of `wanted` among them) of every window with a wanted stretch that meets
    `own`, ascending and apart.

    Stretches share a window where two windows would see more rows than one. A window has `beside` rows on both sides
    of its stretches where there are so many.
    """
    joined: list[range] = []
    for run in _runs(wanted):
        if run.start >= own.stop or run.stop <= own.start:
            continue
        if joined and run.start - joined[-1].stop <= 2 * beside:
            joined[-1] = range(joined[-1].start, run.stop)
        else:
            joined.append(run)
    return [(range(max(0, run.start - beside), min(len(wanted), run.stop + beside)), run) for run in joined]


def in_doubt(probabilities: Floats, look: Look) -> Flags:
    """Which of [rows] it leaves open."""
    doubt = np.zeros(len(probabilities), np.bool_)
    for run in _runs(probabilities > look.doubt_above):
        doubt[run.start : run.stop] = probabilities[run.start : run.stop].max() <= look.doubt_up_to
    return doubt


def _runs(flags: Flags) -> list[range]:
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [range(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
