"""Options that choose from a few words."""

import pytest

from stream.cli.commands.ingest import parse_profile
from stream.cli.context import UsageProblem
from stream.cli.options.workers import parse_device


def test_known_words_are_taken() -> None:
    assert [parse_device(name) for name in ("auto", "cpu", "cuda")] == ["auto", "cpu", "cuda"]
    assert [parse_profile(name) for name in ("full", "fast")] == ["full", "fast"]


def test_other_words_are_refused_with_the_choice() -> None:
    with pytest.raises(UsageProblem, match="auto, cpu or cuda"):
        parse_device("gpu")
    with pytest.raises(UsageProblem, match="fast or full"):
        parse_profile("slow")
