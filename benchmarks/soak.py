"""How much work does a kill cost? kill -9 at random instants of a real ingest, over and over, with the real models.

python -m benchmarks.soak [--kills 20] [--minutes 10] [--seed 1] [--light] [FILE]

Without FILE a clip is made up. Ends with exit code 1 if the stores differ from those of an undisturbed run.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.harness import Report, median_of
from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.kill_loop import STAGES, Ordeal, Work
from benchmarks.testbed.runs import assert_same_rows, finish, start, stored_rows
from sinks.maintenance.verify import verify


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="footage to ingest; a made-up clip without one")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the made-up clip")
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same instants of the work")
    parser.add_argument("--light", action="store_true", help="hashing models instead of the real ones")
    return parser.parse_args()


def measure(wanted: argparse.Namespace, root: Path) -> tuple[Report, bool]:
    clip = (
        wanted.file
        or write_clip(
            root / "soak.mp4", seconds=60 * wanted.minutes, fps=5, scenes=round(8 * wanted.minutes), size=(160, 90)
        ).path
    )
    options = ["--light"] if wanted.light else []
    print("One undisturbed run first, to compare with.", flush=True)
    calm = finish(start(root / "calm", "ingest", clip, *options, "--json"), timeout_s=24 * 3600)
    if calm.code:
        sys.exit(f"the undisturbed run failed: {calm.err or calm.out}")
    length_s = calm.document["decoded_s"]
    expected = stored_rows(root / "calm")
    ordeals: list[Ordeal] = []
    rng = random.Random(wanted.seed)
    for ordeal in _tormented(root, Work(clip, (*options, "--span", 60), length_s), rng, wanted.kills):
        ordeals.append(ordeal)
        assert_same_rows(stored_rows(ordeal.state), expected)
    agree = all(verify(item.state / "lancedb", item.state / "parquet").agrees for item in ordeals)
    return _report(ordeals, length_s), agree


def _tormented(root: Path, work: Work, rng: random.Random, kills: int) -> Iterator[Ordeal]:
    """Ingests that were killed and then finished, until there were enough kills."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TextColumn("{task.fields[note]}")) as bar:
        task = bar.add_task("kills", total=kills, note="")
        done = number = 0
        while done < kills:
            ordeal = Ordeal(root / f"state-{number}", work, rng)
            number += 1
            finished = False
            while not finished:
                finished = ordeal.run(kill=done + ordeal.kills < kills)
                durable_s = work.cell_s * len(ordeal.durable)
                note = f"ingest {number}: {durable_s:.0f} of {work.length_s:.0f} video s durable"
                bar.update(task, completed=done + ordeal.kills, note=note)
            done += ordeal.kills
            yield ordeal


def _report(ordeals: list[Ordeal], length_s: float) -> Report:
    report = Report("How much work does a kill -9 cost, and is anything lost or doubled?")
    flying = [seconds for item in ordeals for seconds in item.in_flight_s]
    again_s = sum(item.decoded_s for item in ordeals) - length_s * len(ordeals)
    report.add("kills", len(flying), "", note=f"at random instants of {', '.join(STAGES)}")
    report.add("ingests", len(ordeals), "", note="each finished with the rows of an undisturbed run, none twice")
    report.add("in flight at a kill", median_of(flying), "video s", note="median; decoded, not durable in both stores")
    report.add("in flight at most", max(flying), "video s")
    report.add("decoded again", again_s / (length_s * len(ordeals)), "of the footage")
    return report


def main() -> int:
    wanted = arguments()
    with tempfile.TemporaryDirectory() as folder:
        report, agree = measure(wanted, Path(folder))
    report.show()
    if not wanted.light:
        report.write("soak")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
