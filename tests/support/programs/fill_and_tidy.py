"""Stands for a sink that is filled: it says something often, and for some seconds takes much room. Arguments: stage,
directory, how many lines.
"""

import json
import sys
from pathlib import Path

from benchmarks.testbed.waiting import wait_for
from stream.clock import SystemClock

LINE_S, BYTES = 0.02, 1 << 20


def pause(clock: SystemClock) -> None:
    due_s = clock.monotonic_s() + LINE_S
    wait_for(lambda: clock.monotonic_s() >= due_s, "the next line is due", every_s=LINE_S / 2)


if __name__ == "__main__":
    _, directory, lines = sys.argv[1:]
    folder, clock = Path(directory), SystemClock()
    folder.mkdir(parents=True)
    for number in range(int(lines)):
        if number == 10:
            (folder / "joined").write_bytes(bytes(BYTES))
        if number == int(lines) - 10:
            (folder / "joined").unlink()
        print(json.dumps({"cells": number}), flush=True)
        pause(clock)
    print(json.dumps({"tended_bytes": 0}), flush=True)
