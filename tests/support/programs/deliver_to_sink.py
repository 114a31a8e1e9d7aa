"""Writes batches and says the number of each that is durable: what a broker would have acknowledged.

Arguments: sink, directory, the first batch.
"""

import sys
from pathlib import Path

from tests.integration.test_sinks_kill import BATCHES
from tests.support.sinks import build


def deliver(name: str, directory: Path, first: int) -> None:
    sink = build(name, directory)
    for number in range(first, len(BATCHES)):
        list(sink.process(BATCHES[number]))
        if number % 4 == 3:
            sink.maintain()
        print(number, flush=True)


if __name__ == "__main__":
    deliver(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
