"""Prints how many page faults a round of records of a megabyte costs once the process is warm.

Argument: `kept` to keep freed memory, anything else to leave the allocator as it is.
"""

import resource
import sys

from stream.runtime.malloc import keep_freed_memory


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def main() -> None:
    if sys.argv[1] == "kept":
        keep_freed_memory()
    last = 0
    for _ in range(4):
        before = faults()
        held = [bytes(1 << 20).replace(b"\0", b"x") for _ in range(25)]
        held.clear()
        last = faults() - before
    print(last)


if __name__ == "__main__":
    main()
