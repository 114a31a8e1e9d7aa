"""The option `--partitions`: the number of partitions for topics that are created."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer

from stream.cli.context import UsageProblem
from stream.cli.options.bounds import MAX_PARTITIONS as MAX
from stream.topology.topics import JOB_TOPICS, TOPICS

DEFAULT = 8
_TOPICS = {**TOPICS, **JOB_TOPICS}
PartitionCounts = Annotated[
    list[str] | None,
    typer.Option(
        "--partitions", help=f"Partitions of a topic that is created: N, or TOPIC=N for one; repeatable. [{DEFAULT}]"
    ),
]


@dataclass(frozen=True, slots=True)
class Partitions:
    """`default` applies to topics that are not in `topics`."""

    default: int = DEFAULT
    topics: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, words: Sequence[str] | None) -> "Partitions":
        """The parsed options; the last value for a topic counts. Raises `UsageProblem` unless N or TOPIC=N."""
        default, topics = DEFAULT, {}
        for word in words or ():
            topic, equals, count = word.rpartition("=")
            # ASCII digits and a length: `int` takes other scripts' digits, and very long numbers take very long.
            if not (count.isascii() and count.isdigit() and len(count) <= 6 and 1 <= int(count) <= MAX) or (
                equals and topic not in _TOPICS
            ):
                raise UsageProblem(
                    f"--partitions {word!r}: say N, or TOPIC=N, with N from 1 to {MAX} and one of {', '.join(_TOPICS)}"
                )
            if equals:
                topics[topic] = int(count)
            else:
                default = int(count)
        return cls(default, topics)

    def of(self, topic: str) -> int:
        return self.topics.get(topic, self.default)

    def words(self) -> list[str]:
        """The same as options for another process."""
        declared = [str(self.default), *(f"{topic}={count}" for topic, count in self.topics.items())]
        return [word for each in declared for word in ("--partitions", each)]
