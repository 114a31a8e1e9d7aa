"""Which fragments are joined and when indexes grow."""

from sinks.tables.upkeep_policy import DueUpkeep, Fragment, Joining, UpkeepPolicy

POLICY = UpkeepPolicy(
    tail_fragments=3,
    joined_rows=10,
    fragment_rows=40,
    growth=0.5,
    least_rows=20,
    deleted=0.1,
    deleted_joined=0.2,
    small_fragments=3,
)


def old(number: int, rows: int = 40, deleted: int = 0) -> Fragment:
    return Fragment(number, rows, deleted, indexed=True, covered=True, joined=True)


def new(number: int, rows: int = 4, deleted: int = 0) -> Fragment:
    return Fragment(number, rows, deleted)


def test_nothing_is_due_where_little_is_new() -> None:
    assert POLICY.work([]) == DueUpkeep((), index=False)
    assert POLICY.work([old(0), new(1), new(2)]) == DueUpkeep((), index=False)


def test_small_new_fragments_are_joined_a_part_at_a_time_and_large_ones_left() -> None:
    found = POLICY.work([old(0, 100), new(1), new(2), new(3), new(4), new(5), new(6, 12), new(7)])
    assert found == DueUpkeep((Joining((1, 2, 3), 10), Joining((4, 5), 10)), index=False)


def test_a_tail_that_is_a_share_of_the_table_is_joined_whole_and_indexed() -> None:
    tail = [new(number, 12) for number in range(1, 6)]
    assert POLICY.work([old(0, 130), *tail]) == DueUpkeep((), index=False)
    assert POLICY.work([old(0, 120), *tail]) == DueUpkeep((Joining((1, 2, 3, 4), 40),), index=True)
    assert POLICY.work([new(0, 20)]) == DueUpkeep((), index=True), "one alone has nobody to be joined with"


def test_what_indexes_cover_is_left_alone_until_much_of_it_is_gone() -> None:
    assert POLICY.work([old(0, 40, 7), old(1)]) == DueUpkeep((), index=False)
    assert POLICY.work([old(0), old(1, 40, 8), old(2)]) == DueUpkeep((Joining((1,), 40),), index=False)
    apart = [Fragment(number, 9, 0, indexed=True, covered=True) for number in range(5)]
    assert POLICY.work(apart) == DueUpkeep((), index=False), "their parts of the indexes are not joined yet"
    assert POLICY.work([old(0, 4), old(1, 4), old(2)]) == DueUpkeep((), index=False)
    assert POLICY.work([old(0, 5), old(1, 5), old(2), old(3, 5)]) == DueUpkeep((), index=False), "not small"
    assert POLICY.work([old(0, 4), old(1, 4), old(2), old(3, 4)]) == DueUpkeep((Joining((0, 1), 40),), index=False)


def test_what_the_largest_part_does_not_cover_is_rewritten_sooner() -> None:
    assert POLICY.work([old(0), new(1, 12, 2)]) == DueUpkeep((Joining((1,), 10),), index=False)
    assert POLICY.work([old(0), new(1, 12, 1)]) == DueUpkeep((), index=False)
    lately = Fragment(1, 40, 4, indexed=True, covered=True)
    assert POLICY.work([old(0, 40, 4), lately]) == DueUpkeep((Joining((1,), 40),), index=False)


def test_new_parts_of_indexes_are_joined_with_each_other_and_seldom_with_the_largest() -> None:
    assert POLICY.new_parts([]) == POLICY.new_parts([100, 9, 9, 9, 9, 9, 9]) == 0
    assert POLICY.new_parts([100, 9, 9, 9, 9, 9, 9, 9]) == 7
    assert POLICY.new_parts([0, 100, 30, 9, 9, 9, 9, 9]) == 6, "the oldest is of an empty table"
    assert POLICY.new_parts([0, 9, 9, 9, 9, 9, 9, 100]) == 8
    assert not POLICY.joins_whole([])
    assert not POLICY.joins_whole([100])
    assert not POLICY.joins_whole([100, 14, 10])
    assert POLICY.joins_whole([100, 15, 10])


def test_small_fragments_are_joined_while_they_lie_in_new_parts_of_indexes() -> None:
    def lately(number: int, rows: int) -> Fragment:
        return Fragment(number, rows, 0, indexed=True, covered=True)

    fragments = [old(0, 4), *(lately(number, 4) for number in range(1, 6)), lately(6, 5), lately(7, 4), new(8), new(9)]
    assert POLICY.lately_covered(fragments) == [Joining((1, 2, 3), 10), Joining((4, 5), 10)]


def test_a_fragment_that_only_some_indexes_cover_counts_as_new_rows_and_as_indexed() -> None:
    half = Fragment(0, 40, 0, indexed=True, covered=False)
    assert POLICY.work([half]) == DueUpkeep((), index=True)
