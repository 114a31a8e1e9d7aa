"""What does looking where something can be save of the shot network, and what does it lose beside every window?
How many cuts are decided without it is told too.

It says what it looks at, and ends after `--minutes` without what is left then; the table names that.
    python -m benchmarks.shot_windows [--quick] [--footage FOLDER] [--minutes 30]
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.cartoons import cartoons
from benchmarks.footage import cache, decoded, short_clip
from benchmarks.harness import Report
from benchmarks.shot_scenes import RATES, Montage, Transition, encode, fixed_cameras, montages
from benchmarks.shot_scores import TOLERANCE_S, CutScore
from benchmarks.testbed.footage import corpus_clips
from decoders.sandbox.pool import DecodePool
from decoders.sources.policy import SourcePolicy
from models.protocol import Floats
from models.registry import ModelContext
from models.shots.assembly import cuts_from_probabilities
from models.shots.candidates import candidates_in
from models.shots.graph import networks_of
from models.shots.places import Dense
from models.shots.transnet_v2 import Judge, TransNetShots, judge_of
from models.weights.checkpoint import read_checkpoint
from stream.errors import StageError
from stream.events.frames import Frames
from stream.events.grid import CONTEXT_TICKS, TICK_NS

WINDOW, STEP = 100, 50
"""As its authors run the network: windows of 100 frames, of which the middle 50 count."""
FIXED = {"bottles_h264.mp4", "cars_h264.mp4"}
"""Of the corpus."""
T = TypeVar("T")


@dataclass(slots=True)
class CutsFound:
    """Cuts in seconds over a clip, and what they took."""

    cuts_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    decided: int = 0
    """Of the cuts, without the network."""


class EveryWindow:
    """The network over windows of 100 ticks, one every 50, as before ADR 0072."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def cut_probabilities(self, dense: Dense) -> Floats:
        starts = range(0, len(dense) - 2 * CONTEXT_TICKS, STEP)
        judged = [self._judge(dense[start : start + WINDOW]) for start in starts]
        kept = slice(CONTEXT_TICKS, CONTEXT_TICKS + STEP)
        middles = [found[kept] for found in judged]
        return np.concatenate([judged[0][:CONTEXT_TICKS], *middles, judged[-1][CONTEXT_TICKS + STEP :]])


class BothDetectors:
    """Every clip through both, cell by cell in turn, so that a slow minute strikes them alike. After `until_s` of the
    monotonic clock nothing is looked at any more.
    """

    def __init__(self, until_s: float = float("inf")) -> None:
        self._until_s = until_s
        self.left_out: list[str] = []
        context = ModelContext(cache(), threads=1)
        self.ours = TransNetShots(context)
        self.ours.open()
        self.every = EveryWindow(judge_of(networks_of(read_checkpoint(cache().file("transnetv2")))(1)))
        self.test_cpu_s = self.every_cpu_s = 0.0

    def has_time_for(self, name: str) -> bool:
        if time.monotonic() >= self._until_s:
            self.left_out.append(name)
            return False
        print(f"{time.strftime('%H:%M:%S')} {name} …", flush=True)
        return True

    def look(self, clip: Path) -> tuple[CutsFound, CutsFound, float]:
        """(every window, ours, seconds of the clip). Raises what decoding raises."""
        every, ours, seconds = CutsFound(), CutsFound(), 0.0
        with DecodePool(children=1, policy=SourcePolicy(roots=(str(clip.parent),))) as pool:
            cells = decoded(pool, clip, "full")
        for cell in cells:
            start_ns, end_ns = cell.range_ns
            seconds += (end_ns - start_ns) / 1e9
            if cell.dense is None:
                continue
            ticks = -(-(end_ns - start_ns) // TICK_NS)
            dense = cell.dense[: -(-ticks // STEP) * STEP + 2 * CONTEXT_TICKS]
            candidates, cpu_s = _cpu_s(candidates_in, dense)
            self.test_cpu_s += cpu_s
            ours.decided += len(_seconds(candidates.cuts.astype(np.float32), cell, ticks))
            for found, detect in ((every, self.every.cut_probabilities), (ours, self.ours.cut_probabilities)):
                rows, cpu_s = _cpu_s(detect, dense)
                found.cpu_s += cpu_s
                found.cuts_s += _seconds(rows, cell, ticks)
        self.every_cpu_s += every.cpu_s
        return every, ours, seconds


def _cpu_s(call: Callable[[Dense], T], dense: Dense) -> tuple[T, float]:
    before = time.process_time()
    made = call(dense)
    return made, time.process_time() - before


def _seconds(rows: Floats, cell: Frames, ticks: int) -> list[float]:
    """Of the cuts inside the cell; one at its end is the next cell's."""
    cuts = [row - CONTEXT_TICKS for row in cuts_from_probabilities(rows)]
    return [cell.range_ns[0] / 1e9 + cut * TICK_NS / 1e9 for cut in cuts if 0 <= cut < ticks]


@dataclass(slots=True)
class FootageKind:
    """Of one kind of footage."""

    seconds: float = 0.0
    every: CutsFound = field(default_factory=CutsFound)
    ours: CutsFound = field(default_factory=CutsFound)
    same: int = 0
    scores: tuple[CutScore, CutScore] = field(default_factory=lambda: (CutScore(), CutScore()))

    def add(self, looked: tuple[CutsFound, CutsFound, float], transitions: Sequence[Transition] = ()) -> None:
        every, ours, seconds = looked
        self.seconds += seconds
        self.every.cpu_s += every.cpu_s
        self.ours.cpu_s += ours.cpu_s
        self.every.cuts_s += every.cuts_s
        self.ours.cuts_s += ours.cuts_s
        self.ours.decided += ours.decided
        self.same += sum(any(abs(cut - other) <= TOLERANCE_S for other in ours.cuts_s) for cut in every.cuts_s)
        for score, found in zip(self.scores, (every, ours), strict=True):
            score.add(found.cuts_s, transitions)


def measure(
    report: Report, folder: Path, rates: Sequence[Fraction], footage: Path | None, until_s: float = float("inf")
) -> None:
    both = BothDetectors(until_s)
    # Real footage first: it is what must not be left out where time is short.
    _footage(report, both, footage)
    for montage in montages():
        _montage(report, both, montage, rates, folder)
    _montage(report, both, fixed_cameras(), rates[:2], folder)
    _montage(report, both, cartoons(), rates[:2], folder)  # as drawings are made: 24 or 25 pictures a second
    share = both.test_cpu_s / both.every_cpu_s
    report.add("the test itself, of the CPU of every window", share, "x", limit="at most 0.05x")
    if both.left_out:
        report.add("left out, as time was short", len(both.left_out), "clips", note=", ".join(both.left_out))


def _footage(report: Report, both: BothDetectors, footage: Path | None) -> None:
    for name, clips in _clips(footage):
        total = FootageKind()
        for clip in clips:
            if not both.has_time_for(clip.name):
                continue
            try:
                total.add(both.look(clip))
            except StageError as error:
                print(f"{clip.name}: {error}")
        if total.every.cpu_s:
            _costs(report, name, total)
            report.add(
                f"{name}: cuts of every window that were found",
                total.same,
                "cuts",
                limit=f"{len(total.every.cuts_s)} with every window",
                note=f"{len(total.ours.cuts_s)} in all",
            )


def _montage(report: Report, both: BothDetectors, montage: Montage, rates: Iterable[Fraction], folder: Path) -> None:
    total = FootageKind()
    for rate in rates:
        if not both.has_time_for(f"montage, {montage.name}, {float(rate):.5g} frames/s"):
            continue
        for path in encode(montage, rate, folder):
            total.add(both.look(path), montage.transitions())
            path.unlink()
    if not total.seconds:
        return
    name = f"montage, {montage.name}"
    _costs(report, name, total)
    every, ours = total.scores
    report.add(
        f"{name}: F1 of hard cuts", ours.f1, "", limit=f"every window {every.f1:.4f}", note="at most 0.001 lower"
    )
    report.add(
        f"{name}: gradual transitions seen",
        ours.gradual_seen,
        f"of {ours.gradual}",
        limit=f"every window {every.gradual_seen}",
        note="no fewer",
    )


def _costs(report: Report, name: str, total: FootageKind) -> None:
    report.add(
        f"{name}: CPU-s per video-second",
        total.ours.cpu_s / total.seconds,
        "s",
        limit=f"every window {total.every.cpu_s / total.seconds:.4f} s",
        note=f"{total.ours.cpu_s / total.every.cpu_s:.3f}x over {total.seconds:.0f} s",
    )
    report.add(
        f"{name}: cuts decided without the network",
        total.ours.decided,
        "cuts",
        limit=f"{len(total.ours.cuts_s)} found",
    )


def _clips(footage: Path | None) -> Iterator[tuple[str, list[Path]]]:
    yield "sample clip", [short_clip()]
    if clips := corpus_clips():
        yield "corpus, cameras that stand still", [clip for clip in clips if clip.name in FIXED]
        yield "corpus, the rest", [clip for clip in clips if clip.name not in FIXED]
    if footage is not None:
        for folder in sorted(item for item in footage.iterdir() if item.is_dir()):
            yield f"footage of one's own, {folder.name}", sorted(item for item in folder.iterdir() if item.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one rate instead of five; keeps no figures")
    parser.add_argument("--footage", type=Path, help="a folder whose folders are kinds of footage of your own")
    parser.add_argument("--minutes", type=float, default=30.0, help="after these, what is left is left out")
    given = parser.parse_args()
    until_s = time.monotonic() + 60 * given.minutes
    report = Report("The shot network where something can be, beside every window (CPU, one thread)")
    with tempfile.TemporaryDirectory() as folder:
        measure(report, Path(folder), RATES[1:2] if given.quick else RATES, given.footage, until_s)
    report.show()
    if not given.quick:
        report.write("shot_windows")


if __name__ == "__main__":
    main()
