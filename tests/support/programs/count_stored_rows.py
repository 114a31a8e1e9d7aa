"""How many rows a store holds, seen by another process than its writer. Arguments: sink, place."""

import sys

from tests.support.sinks import build, rows_of

if __name__ == "__main__":
    print(len(rows_of(build(sys.argv[1], sys.argv[2]))))
