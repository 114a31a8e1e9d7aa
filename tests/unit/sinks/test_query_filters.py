"""Filters as conditions on rows: short for any number of rights, and never narrower than what is asked for."""

import pytest

from sinks.query.filters import LIVE_COLUMNS, Filters, Scope, assets_where, moments_where
from sinks.query.kept_rows import KeptRows
from sinks.query.rankings import LEAST_PROBES, probes, refined

TOLD = ["moment_id", *LIVE_COLUMNS]


def test_nothing_asked_is_everything_that_shows() -> None:
    assert moments_where(Filters(), None, TOLD) == "visible = true"
    assert moments_where(Filters(), None, ["moment_id"]) == "true"
    assert assets_where(Filters()) == "live_content_key IS NOT NULL"


def test_rows_are_narrowed_by_what_they_tell() -> None:
    asked = Filters(tenant="o'hara", project="news", labels={"team": "red"}, kind="visual", start_ns=1, end_ns=9)
    assert moments_where(asked, ["k"], TOLD) == (
        "visible = true AND tenant = 'o''hara' AND live_project = 'news' AND array_has(live_labels, 'team=red')"
        " AND asset_key IN ('k') AND kind = 'visual' AND start_ns < 9 AND end_ns > 1"
    )
    older = moments_where(asked, None, ["moment_id"])
    assert older == "tenant = 'o''hara' AND kind = 'visual' AND start_ns < 9 AND end_ns > 1"
    assert moments_where(Filters(asset_ids=("a",)), [], TOLD) == "visible = true AND false"


def test_a_thousand_rights_are_few_conditions() -> None:
    whole = Filters(scopes=tuple(Scope(f"t{number}") for number in range(1000)))
    assert moments_where(whole, None, TOLD).count(" OR ") == 0
    crossed = Filters(scopes=tuple(Scope(f"t{tenant}", f"p{tenant % 5}") for tenant in range(1000)))
    where = moments_where(crossed, None, TOLD)
    assert (where.count(" OR "), where.count("live_project IN")) == (4, 5)
    alike = Filters(scopes=tuple(Scope(f"t{number // 100}", f"p{number % 100}") for number in range(1000)))
    assert moments_where(alike, None, TOLD).count(" OR ") == 0
    assert "tenant IN ('a') OR (tenant IN ('b') AND live_project IN ('p'))" in moments_where(
        Filters(scopes=(Scope("a"), Scope("a", "p"), Scope("b", "p"))), None, TOLD
    )
    assert moments_where(Filters(scopes=()), None, TOLD) == "visible = true AND (false)"


@pytest.mark.parametrize(
    ("filters", "allowed"),
    [
        (Filters(), True),
        (Filters(tenant="b"), False),
        (Filters(project="q"), False),
        (Filters(asset_ids=("x", "y")), True),
        (Filters(asset_ids=("y",)), False),
        (Filters(labels={"team": "red"}), True),
        (Filters(labels={"team": "red", "year": "1"}), False),
        (Filters(scopes=(Scope("b"), Scope("a"))), True),
        (Filters(scopes=(Scope("a", "p"),)), True),
        (Filters(scopes=(Scope("a", "q"), Scope("b", "p"))), False),
        (Filters(scopes=()), False),
    ],
)
def test_the_asset_decides(filters: Filters, *, allowed: bool) -> None:
    assert filters.allowing()("a", "p", "x", ["team=red"]) == allowed


def test_older_rows_cannot_tell_what_a_publication_changes() -> None:
    assert not Filters(tenant="a", scopes=(Scope("a"),)).by_asset_state
    for filters in (Filters(project="p"), Filters(labels={"a": "b"}), Filters(scopes=(Scope("a", "p"),))):
        assert filters.by_asset_state


def test_the_fewer_rows_are_kept_the_more_partitions_are_looked_into() -> None:
    assert [probes(kept) for kept in (1.0, 0.5, 0.02, 0.005)] == [LEAST_PROBES, 24, 54, 76]


def test_few_rows_are_compared_by_their_whole_vectors() -> None:
    assert [depth * refined(depth) for depth in (1, 11, 50, 101, 10_000)] == [20, 22, 100, 101, 10_000]


class CountedTable:
    """A table of so many rows, which counts how often it is counted."""

    def __init__(self, rows: int) -> None:
        self.version, self.rows, self.counted = 1, rows, 0

    def count_rows(self, where: str | None = None) -> int:
        self.counted += where is not None
        return self.rows


def test_a_count_stands_for_its_version_and_some_times_for_a_later_one() -> None:
    table, kept = CountedTable(7), KeptRows()
    assert [kept.of(table, "a") for _ in range(1_000)] == [7] * 1_000
    assert table.counted == 1
    table.version, table.rows = 2, 8
    found = [kept.of(table, "a") for _ in range(1_000)]
    assert found == sorted(found)
    assert 500 < found.count(8) < 1_000
    assert table.counted == 2


@pytest.mark.parametrize("rows", [5_000, 105_000])
def test_a_count_does_not_stand_where_a_table_has_changed_much(rows: int) -> None:
    table, kept = CountedTable(50_000), KeptRows()
    kept.of(table, "a")
    table.version, table.rows = 2, rows
    assert kept.of(table, "a") == rows


def test_counts_of_few_conditions_are_kept() -> None:
    table, kept = CountedTable(7), KeptRows()
    for number in range(1_000):
        assert (kept.of(table, "often"), kept.of(table, f"once {number}")) == (7, 7)
    assert table.counted == 1_001
