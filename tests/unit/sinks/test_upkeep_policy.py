"""Which fragments are joined and which of them share parts of indexes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.tables.index_parts import united
from sinks.tables.upkeep_policy import Fragment, Joining, UpkeepPolicy

POLICY = UpkeepPolicy(
    tail_fragments=3,
    joined_rows=10,
    fragment_rows=40,
    least_rows=30,
    middle_rows=100,
    part_rows=3_200,
    most_parts=4,
    deleted=0.2,
    small_fragments=3,
)


def old(number: int, rows: int = 40, deleted: int = 0, part: int = 0) -> Fragment:
    return Fragment(number, rows, deleted, part, covered=True)


def new(number: int, rows: int = 4, deleted: int = 0) -> Fragment:
    return Fragment(number, rows, deleted)


def test_nothing_is_due_where_little_is_new() -> None:
    for some in ([], [old(0), new(1), new(2)]):
        assert POLICY.joinings(some) == []
        assert not POLICY.index_due(some)


def test_small_new_fragments_are_joined_a_part_at_a_time_and_large_ones_left() -> None:
    found = POLICY.joinings([old(0, 100), new(1), new(2), new(3, 2), new(4, 2), new(5, 1), new(6, 12), new(7, 1)])
    assert found == [Joining((1, 2, 3), 10), Joining((4, 5), 10)]


def test_a_tail_with_rows_enough_is_joined_whole_and_indexed_however_large_the_table_is() -> None:
    tail = [new(number, 12) for number in range(1, 6)]
    assert POLICY.index_due([old(0, 10**6), *tail])
    assert POLICY.joinings([old(0, 10**6), *tail]) == [Joining((1, 2, 3, 4), 40)]
    assert POLICY.joinings([new(0, 30)]) == [], "one alone has nobody to be joined with"


def test_what_indexes_cover_is_left_alone_until_much_of_it_is_gone() -> None:
    assert POLICY.joinings([old(0, 40, 7), old(1)]) == []
    assert POLICY.joinings([old(0), old(1, 40, 8), old(2)]) == [Joining((1,), 40)]
    assert POLICY.joinings([new(0, 12, 2), old(1)]) == []
    assert POLICY.joinings([new(0, 10, 2), old(1)]) == [Joining((0,), 10)]


def test_what_is_worn_of_one_part_is_rewritten_at_once_within_bounds() -> None:
    worn = [old(number, 40, 8, part=number // 4) for number in range(8)]
    assert POLICY.joinings(worn) == [
        Joining((0, 1, 2), 40),
        Joining((3,), 40),
        Joining((4, 5, 6), 40),
        Joining((7,), 40),
    ]


def test_small_neighbours_in_a_part_are_joined_once_there_are_some() -> None:
    assert POLICY.joinings([old(0, 4), old(1, 4), old(2), old(3, 4)]) == []
    assert POLICY.joinings([old(0, 4), old(1, 4), old(2, 4), old(3)]) == [Joining((0, 1, 2), 40)]
    apart = [old(number, 4, part=number) for number in range(5)]
    assert POLICY.joinings(apart) == [], "they lie in different parts"


def parts(*rows: int) -> list[Fragment]:
    return [old(number, count, part=number) for number, count in enumerate(rows)]


@pytest.mark.parametrize(
    ("standing", "wanted"),
    [
        ([], (9,)),
        ([50, 60], (9,)),
        ([50, 60, 70], (0, 1, 2, 9)),
        ([90, 95], (0, 1, 9)),
        ([2000, 50, 60, 70, 2500], (1, 2, 3, 9)),
        ([290, 290, 50, 60, 70], (2, 3, 4, 9)),
        ([300, 300, 300, 50, 60, 70], (0, 1, 2, 3, 4, 5, 9)),
        ([1100, 1200, 900, 300, 300, 300, 50, 60, 70], tuple(range(10))),
        ([1590, 1590, 390, 390, 90, 95], (*range(6), 9)),
        ([1600, 1600, 1600, 1600, 90, 95], (4, 5, 9)),
    ],
)
def test_parts_are_joined_with_those_of_their_size(standing: list[int], wanted: tuple[int, ...]) -> None:
    assert POLICY.new_parts([*parts(*standing), new(9, 20)]) == [wanted]


def test_a_fragment_that_only_some_indexes_cover_is_built_with_all_of_its_part() -> None:
    half = Fragment(0, 40, 0, part=5, covered=False)
    assert POLICY.index_due([half])
    assert POLICY.new_parts([half, old(1, part=5), old(2, 600, part=6)]) == [(0, 1)]


def test_all_there_is_makes_few_parts() -> None:
    assert POLICY.whole([*parts(1600, 1300, 290, 20), new(9, 20)]) == [(0, 1, 2, 3), (9,)]
    assert POLICY.whole([old(0, 3000), old(1, 300), old(2, 50)]) == [(0, 1), (2,)], "one part that was too large"
    assert POLICY.whole([]) == []


def test_a_row_is_indexed_a_few_times_however_many_there_are() -> None:
    """As rows come in, 20 at a time, up to 20,000."""
    built: list[int] = []
    sizes: dict[int, int] = {}
    for number in range(1_000):
        fragments = [old(part, rows, part=part) for part, rows in sizes.items()] + [new(number, 20)]
        for group in POLICY.new_parts(fragments):
            rows = sum(sizes.pop(part, 20) for part in group)
            sizes[number] = rows
            built.append(rows)
    assert sum(built[-500:]) / (500 * 20) == pytest.approx(sum(built[:500]) / (500 * 20), rel=0.2)
    assert sum(built) < 5 * 20_000
    assert max(built) < 1.5 * POLICY.part_rows
    assert len(sizes) < 20_000 / (POLICY.part_rows / 2) + 4 * POLICY.most_parts


@given(st.lists(st.sets(st.integers(0, 12), max_size=4)))
def test_groups_that_share_a_number_are_one(groups: list[set[int]]) -> None:
    found = united(groups)
    assert sum(map(len, found)) == len(set().union(*groups))
    assert all(any(group <= one for one in found) for group in groups if group)
    assert all(one for one in found)
