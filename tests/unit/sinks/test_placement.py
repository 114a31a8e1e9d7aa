"""Which rows of the Delta table are changed in one commit, and how a filter names the place where they lie."""

from sinks.delta.placement import MOST_GROUPS, NEAR_MS, VersionSpan, filter_of, groups

DAY_MS = 86_400_000


def test_what_lies_near_is_changed_together() -> None:
    found = groups(
        [
            (VersionSpan.at("acme", NEAR_MS), "b"),
            (VersionSpan.at("acme", 0), "a"),
            (VersionSpan.at("acme", 5 * NEAR_MS), "c"),
        ]
    )
    assert [group.items for group in found] == [("a", "b"), ("c",)]
    assert [group.spans for group in found] == [
        (VersionSpan("acme", 0, NEAR_MS),),
        (VersionSpan("acme", 5 * NEAR_MS, 5 * NEAR_MS),),
    ]


def test_tenants_lie_apart() -> None:
    assert [group.items for group in groups([(VersionSpan.at("acme", 0), "a"), (VersionSpan.at("beta", 0), "b")])] == [
        ("a",),
        ("b",),
    ]


def test_there_are_no_more_commits_than_a_bound() -> None:
    placed = [(VersionSpan.at("acme", number * DAY_MS), number) for number in range(5 * MOST_GROUPS + 1)]
    found = groups(placed)
    assert len(found) <= MOST_GROUPS
    assert [item for group in found for item in group.items] == [number for _, number in placed]
    assert [span for group in found for span in group.spans] == [span for span, _ in placed]
    assert groups([]) == []


def test_a_filter_names_partitions_and_times() -> None:
    assert VersionSpan("o'neil", 1, DAY_MS - 1).filter() == (
        "(tenant = 'o''neil' AND day = '1970-01-01' AND version_ms BETWEEN 1 AND 86399999)"
    )
    assert VersionSpan("acme", 1, DAY_MS).filter() == (
        "(tenant = 'acme' AND day BETWEEN '1970-01-01' AND '1970-01-02' AND version_ms BETWEEN 1 AND 86400000)"
    )
    near, far = VersionSpan.at("acme", 1), VersionSpan.at("acme", DAY_MS)
    assert (
        filter_of([far, near, VersionSpan.at("acme", 2)]) == f"({VersionSpan('acme', 1, 2).filter()} OR {far.filter()})"
    )
    assert filter_of([]) == "(false)"
