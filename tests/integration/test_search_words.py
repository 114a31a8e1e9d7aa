"""Scores of words over several tables are those that Lance gives to one table with the same rows."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from sinks.query.rankings import Candidate, SpaceVersion
from sinks.query.sharded_version import ShardedVersion, ShardTable
from sinks.query.text_statistics import TextStatistics
from sinks.query.words import asked_terms, terms_of, terms_of_each
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import LanceTables

NAME = "texts"
SCHEMA = pa.schema(
    [
        pa.field("content_key", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("visible", pa.bool_(), nullable=False),
    ]
)
QUERIES = (
    "dog",
    "dogs running",
    "The dog and the Café",
    "a naive runner's generously skied businesses",
    "dog dog cat",
    "the of and",
    "",
    "unheard-of",
    "Straße 12 weather",
)
WORDS = (
    *("dog", "dogs", "cat", "running", "runs", "Café", "cafe", "naïve", "generously", "skiing", "businesses"),
    *("the", "of", "and", "Straße", "12", "weather", "beach", "x" * 41, "日本", "it's"),
)


class Texts:
    """Rows of texts in one table or, by their content, in several."""

    def __init__(self, root: Path, shards: int) -> None:
        self.tables = [LanceTables(root / str(number)) for number in range(shards)]
        for table in self.tables:
            table.ensure(NAME, SCHEMA, Indexes(keyed=("content_key",), worded=("text",)))
        self._root = root
        self._texts = [TextStatistics() for _ in self.tables]

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for number, table in enumerate(self.tables):
            mine = [row for row in rows if int(row["content_key"]) % len(self.tables) == number]
            table.append(NAME, pa.Table.from_pylist(mine, schema=SCHEMA))

    def index(self) -> None:
        for table in self.tables:
            table.optimize(NAME)

    def delete(self, where: str) -> None:
        for table in self.tables:
            table.delete(NAME, where)

    def purge(self) -> None:
        for table in self.tables:
            table.purge(NAME)

    def opened(self) -> list[Any]:
        return [lance.dataset(self._root / str(number) / f"{NAME}.lance") for number in range(len(self.tables))]

    def version(self, threads: ThreadPoolExecutor) -> ShardedVersion:
        parts = zip(range(len(self.tables)), self.opened(), self._texts, strict=True)
        return ShardedVersion([ShardTable(*part) for part in parts], threads)


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def rows(first: int, count: int) -> list[dict[str, Any]]:
    """Texts of 0 to 60 words, some long, most short; every fifth is hidden."""
    chance = np.random.default_rng(first)
    lengths = [int(chance.choice([0, 1, 3, 5, 8, 13, 60])) for _ in range(count)]
    return [
        {
            "content_key": f"{first + number:05d}",
            "text": " ".join(chance.choice(WORDS, size=length)),
            "visible": number % 5 != 0,
        }
        for number, length in enumerate(lengths)
    ]


def score_by_content(found: Sequence[Candidate]) -> dict[str, float]:
    return {item.content_key: item.score for item in found}


def assert_same(one: Sequence[Candidate], other: Sequence[Candidate], where: object) -> None:
    """The same rows with the same scores, best first."""
    assert score_by_content(other) == pytest.approx(score_by_content(one), rel=1e-6), where
    assert [item.score for item in other] == sorted((item.score for item in other), reverse=True), where


def stages(texts: Texts) -> Iterator[str]:
    """What happens to a table, one step after the other."""
    yield "empty"
    texts.add(rows(0, 120))
    yield "no row is indexed"
    texts.index()
    yield "every row is indexed"
    texts.add(rows(1000, 40))
    yield "some are newer than the index"
    texts.add(rows(2000, 30))
    texts.delete("content_key IN ('00003', '00007', '01004', '02001')")
    yield "some are deleted"
    texts.index()
    yield "the index has two parts"
    texts.add(rows(3000, 10))
    yield "and some are newer than these"
    texts.delete("content_key >= '02000' AND content_key < '03000'")
    yield "a whole fragment is deleted"
    for number in range(3):
        texts.add(rows(4000 + 100 * number, 20))
        texts.index()
    yield "the index has many parts"
    texts.purge()
    yield "all is written anew"


@pytest.mark.parametrize("where", ["true", "visible = true"])
def test_one_table_is_scored_as_lance_scores_it(tmp_path: Path, threads: ThreadPoolExecutor, where: str) -> None:
    texts = Texts(tmp_path, 1)
    for stage in stages(texts):
        (table,), version = texts.opened(), texts.version(threads)
        for query in QUERIES:
            expected = SpaceVersion(table).worded(query, [where], 500)
            assert_same(expected, version.worded(query, [where], 500), (stage, query))


@pytest.mark.parametrize("where", ["true", "visible = true"])
def test_shards_are_scored_as_one_table_is(tmp_path: Path, threads: ThreadPoolExecutor, where: str) -> None:
    one, four = Texts(tmp_path / "one", 1), Texts(tmp_path / "four", 4)
    for stage, _ in zip(stages(one), stages(four), strict=True):
        # Rows that are deleted stay in the statistics of an index until it is made anew, whole table by whole table.
        for query in QUERIES:
            expected = SpaceVersion(one.opened()[0]).worded(query, [where], 500)
            assert_same(expected, four.version(threads).worded(query, [where], 500), (stage, query))


@pytest.mark.parametrize("depth", [1, 5, 20, 60])
def test_the_best_few_of_many_are_those_of_one_table(tmp_path: Path, threads: ThreadPoolExecutor, depth: int) -> None:
    one, four = Texts(tmp_path / "one", 1), Texts(tmp_path / "four", 4)
    for texts in (one, four):
        texts.add(rows(0, 900))
        texts.index()
        texts.add(rows(1000, 60))
    for query in QUERIES:
        expected = SpaceVersion(one.opened()[0]).worded(query, ["visible = true"], depth)
        found = four.version(threads).worded(query, ["visible = true"], depth)
        # Among equal ones any may be the last.
        assert [item.score for item in found] == pytest.approx([item.score for item in expected], rel=1e-6), query


def test_rows_that_the_index_of_a_condition_lacks_yet_are_found(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    one, two = Texts(tmp_path / "one", 1), Texts(tmp_path / "two", 2)
    for texts in (one, two):
        texts.add(rows(0, 120))
        for table in texts.opened():
            table.create_scalar_index("visible", "BITMAP")
        texts.index()
        texts.add(rows(1000, 40))
        for table in texts.opened():
            table.optimize.optimize_indices(index_names=["text_idx"], num_indices_to_merge=0)
    for query in QUERIES:
        expected = SpaceVersion(one.opened()[0]).worded(query, ["visible = true"], 500)
        assert_same(expected, two.version(threads).worded(query, ["visible = true"], 500), query)


def test_many_texts_are_cut_as_each_is(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [str(row["text"]) for row in rows(0, 50)] + ["", "the", "", "dog"]
    assert list(terms_of_each(texts)) == [terms_of(text) for text in texts]
    monkeypatch.setattr("sinks.query.words._AT_ONCE", 7)
    assert list(terms_of_each(texts)) == [terms_of(text) for text in texts]
    assert list(terms_of_each([])) == []


def test_a_term_is_found_by_the_word_that_gave_it() -> None:
    """A term itself may be cut into another one."""
    assert asked_terms("The Businesses' generously skied; businesses!") == {
        "busi": (2, "Businesses"),
        "generous": (1, "generously"),
        "ski": (1, "skied"),
    }
