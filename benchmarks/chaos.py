"""Is anything lost or doubled on a real Kafka whatever befalls it, and how much work is done again?

python -m benchmarks.chaos [--kills 100] [--assets 150] [--seed 1]

Six `rushes run` processes, two replicas a stage. Besides the kills: ten broker restarts, one of them by kill -9; joins
and leaves; members frozen past their session's end for 20 s and for a minute; transactions on `assets`, kept and taken
back; partitions added; an exporter and an observer beside it all, which must see again soon after every restart and
know in the end that nothing is left; a full disk below the Delta table and an index that refuses writes,
for minutes. Light models; the corpus beside the made-up clips, where there is one. Ends with an error if the stores
differ from those of an undisturbed run. Needs root, to mount a small disk.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

import platformdirs
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.harness import Report, measured
from benchmarks.testbed.chaos import (
    RECOVERED_S,
    ROLES,
    Chaos,
    Plan,
    assert_felt,
    assert_nothing_left,
    assert_observed,
    assert_undisturbed,
    redone,
)
from benchmarks.testbed.disks import small_disk
from benchmarks.testbed.fleet import Fleet, fleet_command
from benchmarks.testbed.footage import corpus_clips
from benchmarks.testbed.observers import watched
from benchmarks.testbed.permissions import BOUND_BY_PERMISSIONS
from benchmarks.testbed.workload import mixed, undisturbed
from stream.broker.node.local import LocalNode, fetch_jars, free_port
from stream.clock import SystemClock

DISK_MIB = 512
SETTLE_S = 1800.0
LARGEST_BYTES = 4 << 20


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--assets", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same blows in the same order")
    parser.add_argument("--keep", type=Path, help="an empty folder for state and logs, which then stay")
    return parser.parse_args()


def measure(wanted: argparse.Namespace, root: Path) -> Report:
    load = mixed(
        root / "clips", wanted.assets, [path for path in corpus_clips() if path.stat().st_size < LARGEST_BYTES]
    )
    print(f"One undisturbed run of {len(load.events)} events first, to compare with.", flush=True)
    calm = undisturbed(root / "calm", load)
    plan = Plan(
        {
            "kill": wanted.kills,
            "restart": 9,
            "crash": 1,
            "join": 5,
            "leave": 5,
            "freeze": 3,
            "long freeze": 1,
            "transaction": 10,
            "aborted transaction": 5,
            "more partitions": 2,
            "full disk": 1,
            "refusal": 1,
        },
        lasting_s=120.0,
        longest_pause_s=5.0,  # a successor gets partitions after a session of 10 s, and should come to work
    )
    clock = SystemClock()
    node = LocalNode(root / "kafka", clock, port=free_port())
    jars = fetch_jars(Path(platformdirs.user_cache_dir("rushes")))
    node.up(jars)
    state = root / "state"
    state.mkdir()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    try:
        with small_disk(state / "parquet", DISK_MIB) as disk, measured() as cost:
            command = fleet_command(state, load.roots, node.servers, clock.now_ms(), BOUND_BY_PERMISSIONS)
            with (
                Fleet(command, ROLES, root / "logs", root / "scratch", named=True) as fleet,
                watched(node.servers, root) as observers,
                Progress(*columns, TextColumn("{task.fields[note]}")) as bar,
            ):
                task = bar.add_task("blows", total=sum(plan.blows.values()), note="")
                chaos = Chaos(state, node, jars, disk, fleet, plan, random.Random(wanted.seed), watched=observers)
                chaos.told = lambda blow: bar.update(task, advance=1, note=blow)
                chaos.run(load.events)
                bar.update(task, note="settling")
                chaos.settle(load.assets, SETTLE_S)
                chaos.see_the_end()
                assert_observed(chaos)
            assert_undisturbed(state, calm.rows, calm.statuses, load.bad)
            assert_nothing_left(chaos)
            assert_felt(chaos)
        return _report(chaos, len(load.assets), len(calm.rows.lance), cost.wall_s)
    finally:
        node.down()


def _report(chaos: Chaos, assets: int, moments: int, wall_s: float) -> Report:
    broker = chaos.broker()
    again = redone(broker)
    broker.close()
    report = Report("Is anything lost or doubled on Kafka, whatever befalls the workers?")
    for blow, times in chaos.struck.items():
        report.add(blow, times, "", note="of members that held partitions" if blow == "kill" else "")
    report.add("frozen members whose partitions others got", chaos.expelled, "", limit="at least 1")
    for stage in ("parquet", "index"):
        report.add(f"logs of members whose {stage} stage paused", len(chaos.fleet.saying(f"stage {stage}: paused")), "")
    report.add(
        "longest blindness of observers after a broker's return", max(chaos.blind_s), "s", limit=f"{RECOVERED_S:.0f}"
    )
    report.add("assets", assets, "", note="each with the status of an undisturbed run")
    report.add("moments", moments, "", note="equal in both stores and to those of an undisturbed run, none twice")
    report.add("members that ended by themselves", len(chaos.fleet.unasked), "", limit="0", note="and were replaced")
    report.add("logs with a traceback", len(chaos.fleet.tracebacks()), "", limit="0")
    report.add("cells decoded", again.told, "", limit=f"{again.cells} without repetition")
    report.add("cells decoded again a kill", (again.told - again.cells) / max(1, chaos.struck["kill"]), "")
    report.add("wall time", wall_s, "s")
    return report


def main() -> int:
    wanted = arguments()
    with tempfile.TemporaryDirectory() as folder:
        root = wanted.keep or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        report = measure(wanted, root)
    report.show()
    report.write("chaos")
    return 0


if __name__ == "__main__":
    sys.exit(main())
