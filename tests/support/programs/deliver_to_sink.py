"""Writes batches and says the number of each that is durable: what a broker would have acknowledged.

Arguments: sink, place, the first batch.
"""

import sys

from tests.integration.test_sinks_kill import BATCHES
from tests.support.sinks import build


def deliver(name: str, place: str, first: int) -> None:
    sink = build(name, place)
    for number in range(first, len(BATCHES)):
        list(sink.process(BATCHES[number]))
        if number % 4 == 3:
            sink.maintain()
        print(number, flush=True)


if __name__ == "__main__":
    deliver(sys.argv[1], sys.argv[2], int(sys.argv[3]))
