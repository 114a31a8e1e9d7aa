"""As `store_fill`, but it gives way to others, as the process does that `rushes serve` starts beside itself."""

import sys

from benchmarks.testbed.store_fill import main
from stream.runtime.priority import give_way

if __name__ == "__main__":
    give_way()
    main(*sys.argv[1:])
