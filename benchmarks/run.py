"""Scripts one after the other, each in a process of its own: its table printed, its JSON under `benchmarks/results/`.

python -m benchmarks.run [--quick]           `make bench`
python -m benchmarks.run --kafka [--quick]   `make bench-kafka`
"""

import subprocess
import sys

SCRIPTS = ("worker_overhead", "decode_figures", "bundle_cost", "topology_cost", "searchable", "start_up")
KAFKA_SCRIPTS = ("kafka_worker", "kafka_replicas", "shards", "fairness", "backpressure", "kafka_topology")


def main() -> int:
    """The number of scripts that failed."""
    extra = [word for word in sys.argv[1:] if word != "--kafka"]
    failed = 0
    for script in KAFKA_SCRIPTS if "--kafka" in sys.argv[1:] else SCRIPTS:
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{script}", *extra], check=False)
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
