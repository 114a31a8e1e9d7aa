"""Prints as JSON whether garbage is collected, and how much the collector looks through, at each of its calls.

collecting.py loading|loaded|exit
"""

import gc
import json
import sys

from benchmarks.testbed.waiting import wait_for
from stream.children import loading


def _now() -> tuple[bool, bool]:
    """Whether it collects, and whether it would look through what this program has loaded."""
    return gc.isenabled(), len(gc.get_objects()) > 100


if __name__ == "__main__":
    said = [_now()]
    if sys.argv[1] == "loading":
        loading.LOADING_S = 0.2
        loading.begin_loading()
        said.append(_now())
        wait_for(gc.isenabled, "garbage is collected")
        said.append(_now())
    elif sys.argv[1] == "loaded":
        gc.disable()
        loading.loaded()
        said.append(_now())
    else:
        loading.before_exit()
        said.append(_now())
    print(json.dumps(said))
