"""Search in an index of so many rows that filters which keep nearly all of them are left to the assets."""

from pathlib import Path

import lance
import pytest

from benchmarks.testbed.search_fill import Footage
from benchmarks.testbed.store_stream import SPACE
from sinks.filters import one_of
from sinks.lance.hit_column import HIT
from sinks.query.filters import EVERYTHING, Filters, Scope
from sinks.query.moments import MomentIndex
from sinks.query.rankings import EXACT_ROWS, SHOWN_AT_ONCE
from sinks.tables.names import ASSETS, moments_table
from stream.search.retrieval import Probe, matches_from

FOOTAGE = Footage(2 * EXACT_ROWS)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    FOOTAGE.fill(tmp_path)
    return tmp_path


def found(index: MomentIndex, probe: Probe, filters: Filters, limit: int = 10) -> list[tuple[str, str]]:
    items = matches_from(index, SPACE.key, probe, filters, limit=limit).items
    return [(item.moment.moment_id, item.moment.content_key) for item in items]


def wheres(index: MomentIndex, filters: Filters) -> list[str]:
    def read() -> list[str]:
        version = index.version(SPACE.key)
        assert version is not None
        return index.wheres(version, filters)

    return index.reading(read)


def hide(directory: Path, contents: set[str]) -> None:
    where = one_of("content_key", contents)
    lance.dataset(directory / f"{moments_table(SPACE.key)}.lance").update({"visible": "false"}, where=where)
    live = one_of("live_content_key", contents)
    lance.dataset(directory / f"{ASSETS}.lance").update({"live_content_key": "NULL"}, where=live)


def test_what_few_rows_hide_stays_hidden_and_the_answer_full(directory: Path) -> None:
    index, probe = MomentIndex(directory), Probe(FOOTAGE.questions(1)[0])
    before = found(index, probe, Filters(), limit=30)
    hidden = {key for _, key in before[:5]}
    hide(directory, hidden)
    assert wheres(index, Filters()) == [EVERYTHING]
    assert found(index, probe, Filters(), limit=10) == [item for item in before if item[1] not in hidden][:10]


def test_rights_that_hold_for_nearly_all_keep_out_the_others(directory: Path) -> None:
    index, probe = MomentIndex(directory), Probe(FOOTAGE.questions(1)[0])
    first = matches_from(index, SPACE.key, probe, limit=200).items
    owners = [item.moment.tenant for item in first]
    # One that owns few moments, of which some are the nearest.
    other = next(name for name in owners if name > "tenant-0500")
    rights = Filters(
        scopes=tuple(Scope(f"tenant-{number:04d}") for number in range(1_000) if f"{number:04d}" not in other)
    )
    assert wheres(index, rights) == [EVERYTHING]
    expected = [item.moment.moment_id for item in first if item.moment.tenant != other][:100]
    assert [name for name, _ in found(index, probe, rights, limit=100)] == expected


def test_what_the_moment_alone_decides_is_asked_of_the_rows(directory: Path) -> None:
    index = MomentIndex(directory)
    assert wheres(index, Filters(start_ns=0)) == ["end_ns > 0"]
    assert wheres(index, Filters(labels={"half": "1"})) != [EVERYTHING]


def test_a_short_page_shows_the_same_as_a_long_one(directory: Path) -> None:
    """What hits show is read with their vectors or apart, and in columns where a row of an older release lacks it."""
    index, probe = MomentIndex(directory), Probe(FOOTAGE.questions(1)[0])
    long = matches_from(index, SPACE.key, probe, limit=2 * SHOWN_AT_ONCE).items
    assert matches_from(index, SPACE.key, probe, limit=8).items == long[:8]
    older = one_of("moment_id", [item.moment.moment_id for item in long[:3]])
    lance.dataset(directory / f"{moments_table(SPACE.key)}.lance").update({HIT.name: "NULL"}, where=older)
    assert matches_from(index, SPACE.key, probe, limit=8).items == long[:8]
