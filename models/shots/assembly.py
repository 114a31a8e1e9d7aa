"""Shot assembly inside one cell (pure): probabilities to cuts, cuts to moments, samples to moments."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.protocol import Floats

# The threshold of the paper.
CUT_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class MomentRange:
    """A half-open range between cuts inside a cell, in asset ns. `samples` are indices into the cell's samples."""

    start_ns: int
    end_ns: int
    starts_at_cut: bool
    ends_at_cut: bool
    samples: tuple[int, ...]


def cuts_from_probabilities(probabilities: Floats, threshold: float = CUT_THRESHOLD) -> list[int]:
    """[rows] -> rows where a new shot begins, 1..rows, ascending; `rows` means after the last row.

    Value r is the probability that row r is the last of its shot. A run of hits (a gradual transition) counts once, at
    its first peak.
    """
    hits = np.flatnonzero(probabilities > threshold)
    if hits.size == 0:
        return []
    runs = np.split(hits, np.flatnonzero(np.diff(hits) > 1) + 1)
    return [int(run[np.argmax(probabilities[run])]) + 1 for run in runs]


def cut_times(cuts: Sequence[int], tick_times_ns: Sequence[int], start_ns: int, end_ns: int) -> list[int]:
    """When the first frame of each new shot goes on display (ns). `tick_times_ns[t]` belongs to tick t of the cell. The
    last value belongs to the first tick after its end, which may show a frame that went on display just before.

    Above 25 frames per second, a new shot's first frame may lie between two ticks; the result then has its second
    frame. Times lie in [start_ns, end_ns]: both cells report a cut on their common edge. A cut beyond the given ticks
    is the first frame of the next cell, at `end_ns`. A cut whose frame went on display before `start_ns` belongs to the
    previous cell.
    """
    times = (end_ns if cut >= len(tick_times_ns) else tick_times_ns[cut] for cut in cuts if cut >= 0)
    return sorted({min(time, end_ns) for time in times if time >= start_ns})


def assemble(
    start_ns: int, end_ns: int, cuts_ns: Sequence[int], sample_times_ns: Sequence[int], *, is_last_cell: bool
) -> list[MomentRange]:
    """Moments that together cover [start_ns, end_ns) exactly.

    A cut on an edge of the cell marks the moment at that edge: `starts_at_cut` of the first, `ends_at_cut` of the last.
    The start and the end of the asset are no cuts. A moment without its own sample takes the nearest one in time.
    """
    cuts = {time for time in cuts_ns if 0 < time < end_ns or (time == end_ns and not is_last_cell)}
    edges = [start_ns, *sorted(time for time in cuts if start_ns < time < end_ns), end_ns]
    return [
        MomentRange(
            start_ns=first,
            end_ns=last,
            starts_at_cut=first in cuts,
            ends_at_cut=last in cuts,
            samples=_samples_in(first, last, sample_times_ns),
        )
        for first, last in itertools.pairwise(edges)
    ]


def _samples_in(start_ns: int, end_ns: int, times_ns: Sequence[int]) -> tuple[int, ...]:
    inside = tuple(index for index, time in enumerate(times_ns) if start_ns <= time < end_ns)
    if inside:
        return inside
    # Ties go to the earlier sample, so that the result is always the same.
    middle = (start_ns + end_ns) // 2
    return (min(range(len(times_ns)), key=lambda index: (abs(times_ns[index] - middle), index)),)
