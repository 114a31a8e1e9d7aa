"""Spans partition the wanted cells; their cost and the context around them stay within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.plan import cell_cost_cpu_s, plan_spans, split_of
from stream.events.asset import Media
from stream.events.grid import SECOND_NS, SEGMENT_NS
from stream.events.runs import Run


def media(
    seconds: float = 3600,
    *,
    width: int = 1920,
    height: int = 1080,
    codec: str = "h264",
    container: str = "mov",
    runs: int = 1,
) -> Media:
    end_ns = round(seconds * SECOND_NS)
    each = end_ns // runs
    return Media(
        container=container,
        codec=codec,
        stream_index=0,
        width=width,
        height=height,
        display_width=width,
        display_height=height,
        time_base_num=1,
        time_base_den=90_000,
        average_rate=25.0,
        duration_ns=each * runs,
        runs=tuple(Run(0, number * each, (number + 1) * each) for number in range(runs)),
    )


def keys(gop_s: float, seconds: float = 3600) -> list[int]:
    return [round(number * gop_s * SECOND_NS) for number in range(int(seconds / gop_s) + 1)]


@given(
    wanted=st.sets(st.integers(0, 400)),
    gop_s=st.sampled_from([0.5, 2.0, 9.0, 10.0, 35.0, 600.0]),
    max_span_s=st.integers(1, 300),
    max_cost=st.floats(0.01, 100),
    profile=st.sampled_from(["full", "fast"]),
    children=st.integers(0, 20),
)
def test_spans_partition_the_wanted_cells(
    wanted: set[int], gop_s: float, max_span_s: int, max_cost: float, profile: str, children: int
) -> None:
    source = media()
    found = plan_spans(
        source,
        keys(gop_s),
        wanted,
        max_span_ns=max_span_s * SECOND_NS,
        max_cost_cpu_s=max_cost,
        profile=profile,
        children=children,
    )
    assert [cell for span in found for cell in span] == sorted(wanted)
    assert all(len(span) > 0 for span in found)
    limit = max(1, min(max_span_s // 10, int(max_cost / cell_cost_cpu_s(source, profile))))
    longest_gop = int(gop_s / 10) + 3
    assert all(len(span) <= max(limit, longest_gop) for span in found)


def test_a_span_that_begins_inside_a_gop_ends_behind_it() -> None:
    found = plan_spans(media(), keys(60.0), range(360), max_span_ns=20 * SECOND_NS)
    starts_ns = [span.start * SEGMENT_NS - SECOND_NS for span in found[1:]]
    sources = [start_ns // (60 * SECOND_NS) for start_ns in starts_ns]
    assert sources == sorted(set(sources)), "no GOP is decoded from its beginning for two spans"


def test_cost_bounds_spans_of_large_pictures() -> None:
    small = plan_spans(media(), keys(2.0), range(360))
    large = plan_spans(media(width=3840, height=2160, codec="hevc"), keys(2.0), range(360))
    assert max(map(len, small)) == 12
    assert max(map(len, large)) < 12


def test_run_in_and_context_stay_below_a_tenth_at_short_gops() -> None:
    gop = keys(2.0)
    found = plan_spans(media(), gop, range(360))
    extra_ns = sum(
        span.start * SEGMENT_NS - max(key for key in gop if key <= span.start * SEGMENT_NS - SECOND_NS)
        for span in found[1:]
    )
    context_ns = len(found) * SECOND_NS
    assert extra_ns + context_ns < 0.1 * media().duration_ns


def test_children_share_a_short_film() -> None:
    def planned(cells: int, children: int) -> list[range]:
        return plan_spans(media(), keys(2.0), range(cells), children=children)

    assert planned(6, 1) == planned(6, 0) == [range(6)]
    assert planned(6, 2) == [range(3), range(3, 6)]
    assert planned(6, 16) == [range(2), range(2, 4), range(4, 6)]
    assert planned(2, 16) == [range(2)]
    assert planned(360, 2) == planned(360, 1)


def test_children_share_no_film_of_which_much_would_be_decoded_twice() -> None:
    long = keys(10.0)
    assert plan_spans(media(), long, range(6), children=2) == [range(6)]
    # Nothing is decoded before the first cell of a span that begins with a key frame and needs no context.
    assert plan_spans(media(), long, range(6), children=2, context_ns=0) == [range(3), range(3, 6)]
    assert plan_spans(media(), (), range(6), children=2) == [range(6)]


def test_what_can_only_be_read_from_its_beginning_is_one_span() -> None:
    assert plan_spans(media(runs=2), keys(2.0), range(100)) == [range(100)]
    assert plan_spans(media(container="mpeg"), (), range(100)) == [range(100)]


def test_nothing_wanted_gives_no_span() -> None:
    assert plan_spans(media(), keys(2.0), []) == []


def test_two_processes_share_a_clip_at_the_key_frame_that_leaves_them_most_alike() -> None:
    assert split_of(media(5.0), keys(2.0, 5.0)) == 2 * SECOND_NS
    assert split_of(media(10.0), keys(2.0, 10.0)) == 6 * SECOND_NS
    assert split_of(media(5.0), [0, 300_000_000, 3_100_000_000, 4_500_000_000]) == 3_100_000_000


@pytest.mark.parametrize(
    ("of", "keyframes_ns"),
    [
        (media(5.0), [0]),
        (media(5.0), []),
        (media(5.0), [0, 900_000_000]),  # four fifths and more would still be one process's
        (media(10.1), keys(2.0, 10.0)),
        (media(5.0, width=640, height=360), keys(2.0, 5.0)),
        (media(5.0, container="mpegts"), keys(2.0, 5.0)),
        (media(5.0, runs=2), keys(2.0, 5.0)),
    ],
)
def test_other_clips_are_decoded_by_one(of: Media, keyframes_ns: list[int]) -> None:
    assert split_of(of, keyframes_ns) is None


def test_key_frames_alone_are_decoded_by_one() -> None:
    assert split_of(media(5.0), keys(2.0, 5.0), "fast") is None
