"""`--shards`: one number for both stores, or one for each."""

from pathlib import Path

import pytest

from sinks.layout import Layout, claim
from stream.cli.context import UsageProblem
from stream.cli.options.shards import Shards, as_stored
from stream.pipelines.settings import Settings

SETTINGS = Settings(state_dir=Path("state"), cache_dir=Path("cache"))


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (None, (1, 1)),
        (["4"], (4, 4)),
        (["4", "parquet=2"], (4, 2)),
        (["index=3"], (3, 1)),
        (["index=3", "8"], (8, 8)),
    ],
)
def test_the_last_word_for_a_store_counts(words: list[str] | None, counts: tuple[int, int]) -> None:
    applied = Shards.parse(words).applied(SETTINGS)
    assert (applied.index_shards, applied.parquet_shards) == counts


@pytest.mark.parametrize(
    "word", ["0", "-1", "1.5", "", "x", "index=", "index=0", "assets=3", "=3", "²", "9" * 300, "4097"]
)
def test_what_is_no_number_of_shards_is_refused_in_words(word: str) -> None:
    with pytest.raises(UsageProblem, match="say N, index=N or parquet=N"):
        Shards.parse([word])


def test_without_the_option_stores_are_as_they_are_found(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, cache_dir=tmp_path)
    assert as_stored(settings) == settings
    claim(settings.index_dir, 4)
    Layout.of(settings.parquet_dir)
    found = as_stored(settings)
    assert (found.index_shards, found.parquet_shards) == (4, 1)
