"""Has two decode children at work, prints their process ids, and waits for its input to end. Arguments: clip, root."""

import sys

from benchmarks.testbed.footage import span_of
from decoders.sandbox.pool import DecodePool
from decoders.sources.policy import SourcePolicy


def main() -> None:
    clip, root = sys.argv[1:]
    spinning = "tests.support.rogue_decoders:Spinning"
    pool = DecodePool(children=2, policy=SourcePolicy(roots=(root,)), decoder=spinning)
    cells = pool.decode(span_of(pool.inspect(clip), clip))
    next(cells)
    print(*pool.pids, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
