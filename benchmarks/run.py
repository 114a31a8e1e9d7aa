"""`make bench`: every script in a process of its own, its table printed, its JSON under `benchmarks/results/`.

python -m benchmarks.run [--quick]
"""

import subprocess
import sys

from benchmarks.options import ROUNDS, rounds_wanted

SCRIPTS = ("worker_overhead", "decode_figures", "bundle_cost", "topology_cost", "searchable")


def main() -> int:
    """The number of scripts that failed."""
    extra = [] if rounds_wanted(__doc__) == ROUNDS else ["--quick"]
    failed = 0
    for script in SCRIPTS:
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{script}", *extra], check=False)
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
