"""Which rows the network sees at a time (pure): little beside what it is asked about, and more where that leaves doubt.

How much it sees beside a row moves what it says of it. From 50 rows on it says the same. The numbers are measured in
ADR 0090.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from models.protocol import Floats
from models.shots.candidates import candidates_in
from models.shots.places import Dense, Flags
from stream.events.grid import CONTEXT_TICKS

JudgeAll = Callable[[Sequence[Dense]], Iterable[Floats]]
"""Windows of uint8 [n, 27, 48, 3] -> for each, float32 [n]: how likely each row is the last of its shot."""

FIRST_LOOK = 12
SECOND_LOOK = 50
"""Rows on both sides."""
DOUBT = (0.2, 0.55)
"""A run of rows above the first value gets a second look if none of them is above the second."""


def cut_probabilities(dense: Dense, judge_all: JudgeAll) -> Floats:
    """Of a cell with its context, as `ShotDetector` has it. 0 where no transition can be, 1 at clear cuts."""
    found = candidates_in(dense)
    # The row before the cell's first tells of a cut on its edge.
    own = range(CONTEXT_TICKS - 1, len(dense) - CONTEXT_TICKS + 1)
    probabilities = np.zeros(len(dense), np.float32)

    def look(wanted: Flags, chosen: list[tuple[range, range]]) -> None:
        judged = judge_all([dense[seen.start : seen.stop] for seen, _ in chosen])
        for (seen, asked), said in zip(chosen, judged, strict=True):
            where = slice(asked.start, asked.stop)
            of_asked = said[asked.start - seen.start :][: len(asked)]
            # A window may join stretches: what lies between them was not asked.
            probabilities[where] = np.where(wanted[where], of_asked, probabilities[where])

    first = windows(found.possible, own, FIRST_LOOK)
    look(found.possible, first)
    doubt = in_doubt(probabilities)
    # What lies in a first window as a whole was seen with so much beside it.
    second = [window for window in windows(doubt, own, SECOND_LOOK) if not _in_one_of(window, first)]
    look(doubt, second)
    probabilities[found.cuts] = 1.0
    return probabilities


def _in_one_of(window: tuple[range, range], seen: Sequence[tuple[range, range]]) -> bool:
    rows, _ = window
    return any(rows.start >= before.start and rows.stop <= before.stop for before, _ in seen)


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


def in_doubt(probabilities: Floats) -> Flags:
    """Which of [rows] a first look leaves open."""
    least, most = DOUBT
    doubt = np.zeros(len(probabilities), np.bool_)
    for run in _runs(probabilities > least):
        doubt[run.start : run.stop] = probabilities[run.start : run.stop].max() <= most
    return doubt


def _runs(flags: Flags) -> list[range]:
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [range(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
