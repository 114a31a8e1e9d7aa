"""What who looks for cuts is asked, and what they answer. Needs the standard library only, as it runs in the peers'
environments too.

A job is `python -m benchmarks.peers.<contender>_cuts DETECTOR OUT FILE...`; the answer is OUT/cuts.json.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CORES = 2
_ANSWER = "cuts.json"
CutsByFile = Mapping[str, Sequence[float]]
"""When the first picture of each new shot is shown, in seconds since the first of the file."""


@dataclass(frozen=True, slots=True)
class CutsJob:
    """`detector` is one that the contender knows."""

    detector: str
    out: Path
    files: tuple[str, ...]

    @classmethod
    def from_command_line(cls) -> "CutsJob":
        parser = argparse.ArgumentParser()
        for name in ("detector", "out"):
            parser.add_argument(name)
        parser.add_argument("files", nargs="+")
        given = parser.parse_args()
        return cls(given.detector, Path(given.out), tuple(given.files))

    def answer(self, cuts_s: CutsByFile) -> None:
        (self.out / _ANSWER).write_text(json.dumps({file: list(cuts) for file, cuts in cuts_s.items()}))


def answer_in(out: Path) -> dict[str, list[float]]:
    """What a contender has found. Raises `FileNotFoundError` if it did not answer."""
    found: dict[str, list[float]] = json.loads((out / _ANSWER).read_text())
    return found
