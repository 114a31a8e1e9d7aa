"""Shot assembly inside a cell."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.shots.assembly import assemble, cut_times, cuts_from_probabilities
from stream.events.grid import SEGMENT_NS, TICK_NS

END_NS = SEGMENT_NS
times = st.integers(0, END_NS)


@given(
    start_ns=st.integers(0, 3).map(lambda segment: segment * SEGMENT_NS),
    length_ns=st.integers(1, SEGMENT_NS),
    cuts=st.lists(st.integers(-5, SEGMENT_NS + 5), max_size=8),
    samples=st.lists(st.integers(0, SEGMENT_NS), min_size=1, max_size=12),
    last=st.booleans(),
)
def test_moments_partition_the_cell_and_each_has_a_sample(
    start_ns: int, length_ns: int, cuts: list[int], samples: list[int], last: bool
) -> None:
    end_ns = start_ns + length_ns
    cuts_ns = sorted({start_ns + cut for cut in cuts})
    sample_times = sorted(start_ns + time for time in samples)
    moments = assemble(start_ns, end_ns, cuts_ns, sample_times, is_last_cell=last)
    assert moments[0].start_ns == start_ns
    assert moments[-1].end_ns == end_ns
    assert all(left.end_ns == right.start_ns for left, right in itertools.pairwise(moments))
    assert all(moment.start_ns < moment.end_ns for moment in moments)
    assert [moment.start_ns for moment in moments[1:]] == [cut for cut in cuts_ns if start_ns < cut < end_ns]
    assert all(left.ends_at_cut and right.starts_at_cut for left, right in itertools.pairwise(moments))
    assert moments[0].starts_at_cut == (start_ns in cuts_ns and start_ns > 0)
    assert moments[-1].ends_at_cut == (end_ns in cuts_ns and not last)
    for moment in moments:
        own = [index for index, time in enumerate(sample_times) if moment.start_ns <= time < moment.end_ns]
        assert list(moment.samples) == own or (not own and len(moment.samples) == 1)


def test_a_moment_without_a_sample_takes_the_nearest() -> None:
    moments = assemble(0, END_NS, [100, 200], [50, 900], is_last_cell=True)
    assert [moment.samples for moment in moments] == [(0,), (0,), (1,)]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60))
def test_a_run_of_hits_counts_once_at_its_peak(values: list[float]) -> None:
    probabilities = np.array(values, np.float32)
    cuts = cuts_from_probabilities(probabilities)
    runs = [list(run) for hit, run in itertools.groupby(range(len(values)), lambda tick: values[tick] > 0.5) if hit]
    assert len(cuts) == len(runs)
    for cut, run in zip(cuts, runs, strict=True):
        assert cut - 1 in run
        assert values[cut - 1] == max(values[tick] for tick in run)


def test_the_cut_is_the_tick_after_the_hit() -> None:
    assert cuts_from_probabilities(np.array([0, 0, 0.9, 0, 0.6, 0.8, 0.8, 0.2, 1.0], np.float32)) == [3, 6, 9]
    assert cuts_from_probabilities(np.array([0.5, 0.1], np.float32)) == []


def grid(start_ns: int = 0, ticks: int = 250) -> list[int]:
    """When the frame of each tick went on display, at 25 frames a second."""
    return [start_ns + tick * TICK_NS for tick in range(ticks)]


def test_a_cut_is_where_the_new_shots_first_frame_goes_on_display() -> None:
    assert cut_times([1, 30, 249], grid(SEGMENT_NS), SEGMENT_NS, 2 * SEGMENT_NS) == [
        SEGMENT_NS + TICK_NS,
        SEGMENT_NS + 30 * TICK_NS,
        SEGMENT_NS + 249 * TICK_NS,
    ]
    # 10 frames a second: ticks 28 to 30 show the frame of tick 28.
    slow = [tick // 2.5 * 100_000_000 for tick in range(250)]
    assert cut_times([29], [int(time) for time in slow], 0, SEGMENT_NS) == [1_100_000_000]


def test_a_cut_at_the_end_of_a_cell_is_the_next_cells_first_frame() -> None:
    assert cut_times([250], grid(), 0, SEGMENT_NS) == [SEGMENT_NS]
    assert cut_times([100], grid(ticks=100), 0, 100 * TICK_NS - 7) == [100 * TICK_NS - 7]
    assert cut_times([], grid(), 0, SEGMENT_NS) == []


def test_a_frame_on_display_since_before_the_cell_starts_no_shot_in_it() -> None:
    assert cut_times([0], [-5, -5, 100], 0, SEGMENT_NS) == []
    assert cut_times([1], [-5, -5, 100], 0, SEGMENT_NS) == []
    assert cut_times([-1], [-5, -5, 100], 0, SEGMENT_NS) == []


def test_a_cut_on_the_edge_is_told_by_the_cell_after_it_too() -> None:
    assert cut_times([0, 30], grid(SEGMENT_NS), SEGMENT_NS, 2 * SEGMENT_NS) == [
        SEGMENT_NS,
        SEGMENT_NS + 30 * TICK_NS,
    ]


def test_a_cut_seen_by_the_next_cells_first_tick_is_where_its_frame_began() -> None:
    """Ticks 0, 1 and 2 belong to the cell of 120 ms, the last time to the tick at its end, whose frame began before."""
    assert cut_times([3], [0, 33, 67, 110], 0, 120) == [110]
    assert cut_times([3], [0, 33, 67, 120], 0, 120) == [120]
