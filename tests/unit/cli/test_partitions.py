"""`--partitions`: one number for all topics, and others for some."""

import pytest

from stream.cli.context import UsageProblem
from stream.cli.options.partitions import Partitions


def test_the_last_word_counts_and_a_topic_may_have_its_own() -> None:
    found = Partitions.parse(["4", "assets=12", "16", "frames=2", "assets=24"])
    assert (found.of("assets"), found.of("frames"), found.of("spans")) == (24, 2, 16)
    assert Partitions.parse(found.words()[1::2]) == found
    assert Partitions.parse(None).of("spans") == 8


@pytest.mark.parametrize(
    "word", ["0", "-1", "1.5", "nan", "", "x", "assets=", "assets=0", "nothing=3", "=3", "²", "9" * 300, "1000000"]
)
def test_what_is_no_number_of_partitions_is_refused_in_words(word: str) -> None:
    with pytest.raises(UsageProblem, match="say N, or TOPIC=N"):
        Partitions.parse([word])
