"""The option `--shards`: into how many parts the stores are divided."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import typer

from sinks.layout import MAX_SHARDS, Layout
from stream.cli.context import UsageProblem
from stream.pipelines.settings import Settings
from stream.pipelines.stages import INDEX, PARQUET

ShardCounts = Annotated[
    list[str] | None,
    typer.Option(
        "--shards",
        help="Shards of the stores, each with a writer of its own: N, or index=N, or parquet=N; repeatable. Fixed when"
        " a store is made; without it, what the stores have. [1]",
    ),
]


@dataclass(frozen=True, slots=True)
class Shards:
    """How many were asked for; None where nothing was said."""

    index: int | None = None
    parquet: int | None = None

    @classmethod
    def parse(cls, words: Sequence[str] | None) -> "Shards":
        """The parsed options; the last value for a store counts. Raises `UsageProblem` for anything else."""
        found = cls()
        for word in words or ():
            store, equals, count = word.rpartition("=")
            # ASCII digits and a length: `int` takes other scripts' digits, and very long numbers take very long.
            numeric = count.isascii() and count.isdigit() and len(count) <= 4 and 1 <= int(count) <= MAX_SHARDS
            if not numeric or (equals and store not in (INDEX, PARQUET)):
                raise UsageProblem(f"--shards {word!r}: say N, {INDEX}=N or {PARQUET}=N, with N from 1 to {MAX_SHARDS}")
            number = int(count)
            found = cls(
                found.index if store == PARQUET else number,
                found.parquet if store == INDEX else number,
            )
        return found

    def applied(self, settings: Settings) -> Settings:
        """Settings in which what was asked for stands before what they say."""
        return replace(
            settings,
            index_shards=self.index or settings.index_shards,
            parquet_shards=self.parquet or settings.parquet_shards,
        )


def as_stored(settings: Settings) -> Settings:
    """Settings with the numbers of the stores that are there. Raises `Fatal` (`shards_unreadable`)."""
    index, parquet = (Layout.of(place).shards for place in settings.stores)
    return replace(settings, index_shards=index, parquet_shards=parquet)
