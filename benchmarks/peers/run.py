"""`make bench-peers`: the same files, tagger, runtime and output through a plain script, Daft, Ray Data and rushes.

Each in an environment and process of its own, from start to exit, in turns. Settings for two cores: plain and Daft two
processes with one ONNX Runtime thread each; Ray two CPUs, one actor with two threads; rushes two decode children and
two model threads, a picture each. One decoder thread each, except Ray's reader in `full`, which has no such setting.
    python -m benchmarks.peers.run [--quick | --whole] [--clips N] [--only WORKLOAD]… [--without CONTENDER]…
"""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.footage import footage_dir
from benchmarks.harness import MEMORY_KIND, Cost, Report
from benchmarks.peers.contest import adopt_orphans, cost_of
from benchmarks.peers.environments import python_of, tagger
from benchmarks.peers.outputs import frames_of, in_common
from benchmarks.peers.workloads import NAMES, QUICK, REDUCED, WHOLE, Size, Workload, workloads

PLAIN, DAFT, RAY, BARE, ALL = "plain script", "Daft", "Ray Data", "rushes' decoder", "rushes, everything"


@dataclass(frozen=True, slots=True)
class Peer:
    """`environment` None: rushes' own."""

    module: str
    environment: str | None
    note: str = ""


PEERS: Mapping[str, Peer] = {
    PLAIN: Peer("plain", "plain"),
    DAFT: Peer("daft_frames", "daft"),
    RAY: Peer("ray_frames", "ray"),
    BARE: Peer("rushes_bare", None, "and the tagger alone: no sandbox, no stores"),
    "rushes": Peer("rushes_topology", None, "also: sandbox, thumbnails, index, ledgers"),
}
EVERYTHING = Peer("rushes_everything", None, "also: shots, moderation, vectors, by its own models")


def measure(size: Size, only: Collection[str] = (), without: Collection[str] = ()) -> Iterator[tuple[str, Report]]:
    """Each workload and its figures. `only` these workloads, or all; `without` these contenders."""
    model = tagger()
    pythons = {peer.module: _python(peer) for peer in (*PEERS.values(), EVERYTHING)}
    adopt_orphans()
    with tempfile.TemporaryDirectory(dir=footage_dir()) as folder:  # beside the footage, which is linked
        for number, work in enumerate(workloads(size, Path(folder))):
            if only and work.name not in only:
                continue
            costs: dict[str, Cost] = {}
            outs: dict[str, Path] = {}
            for name, peer in _contenders(work, without):
                out = outs[name] = Path(folder) / f"{number}-{peer.module}"
                print(f"{work.facts}: {name} …", flush=True)
                arguments = [work.profile, str(model), str(out), *map(str, work.files)]
                costs[name] = cost_of(pythons[peer.module], peer.module, arguments, out)
            report = Report(_question(size))
            _add(report, work, costs, outs)
            yield work.name, report
            for out in outs.values():
                shutil.rmtree(out)


def _question(size: Size) -> str:
    return (
        f"The same 1080p footage of 25 frames/s through other engines (EfficientNet-Lite0 through ONNX Runtime, one "
        f"frame a second, from start to exit, {size.film_s} s a film)"
    )


def _contenders(work: Workload, without: Collection[str] = ()) -> Iterator[tuple[str, Peer]]:
    every = {**PEERS, **({ALL: EVERYTHING} if work.everything else {})}
    yield from ((name, peer) for name, peer in every.items() if name not in without)


def _python(peer: Peer) -> Path:
    return Path(sys.executable) if peer.environment is None else python_of(peer.environment)


def _add(report: Report, work: Workload, costs: Mapping[str, Cost], outs: Mapping[str, Path]) -> None:
    plain, daft = costs[PLAIN], costs[DAFT]
    notes = {name: peer.note for name, peer in _contenders(work)}
    for name, cost in costs.items():
        same = "" if name == PLAIN else f", {in_common(outs[name], outs[PLAIN]):.1%} of its tags the script's"
        report.add(
            f"{work.name}: {name}, CPU-s per video-second",
            cost.cpu_s / work.video_s,
            "s",
            limit=f"{cost.cpu_s / plain.cpu_s:.2f}x the script, {cost.cpu_s / daft.cpu_s:.2f}x Daft",
            note=f"{frames_of(outs[name])} frames tagged{same}",
        )
        report.add(
            f"{work.name}: {name}, wall",
            cost.wall_s,
            "s",
            limit=f"{cost.wall_s / plain.wall_s:.2f}x the script, {cost.wall_s / daft.wall_s:.2f}x Daft",
            note="; ".join(filter(None, (f"{cost.cpu_s / cost.wall_s:.2f} cores busy", notes[name]))),
        )
        report.add(
            f"{work.name}: {name}, peak memory",
            cost.peak_bytes / 2**20,
            "MiB",
            limit=MEMORY_KIND,
            note=f"{cost.peak_bytes / costs[RAY].peak_bytes:.2f}x Ray Data" if RAY in costs else "",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="20 s a film; keeps no figures")
    sizes.add_argument(
        "--whole", action="store_true", help="30 minutes of each kind and 2,000 clips: two hours and more"
    )
    parser.add_argument("--clips", type=int, help="how many clips [6, 40 or 2,000]")
    parser.add_argument("--only", action="append", default=[], choices=NAMES, help="a workload; repeatable")
    parser.add_argument(
        "--without", action="append", default=[], choices=(RAY, BARE, ALL), help="a contender to leave out"
    )
    given = parser.parse_args()
    size = QUICK if given.quick else WHOLE if given.whole else REDUCED
    size = size if given.clips is None else replace(size, clips=given.clips)
    every = Report(_question(size))
    for name, report in measure(size, given.only, given.without):
        report.show()
        every.figures += report.figures
        if given.whole and given.clips is None:
            report.write(f"peers_whole_{_word(name)}")  # a file of its own: the next one may take an hour
    # Figures of a part would take the place of all.
    if not (given.quick or given.whole or given.only or given.without or given.clips):
        every.write("peers")


def _word(name: str) -> str:
    """The name of a workload as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


if __name__ == "__main__":
    main()
