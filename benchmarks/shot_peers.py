"""What do cuts cost beside PySceneDetect, and how many of them are right?

Each contender goes from files to cuts in a process of its own, from start to exit, with two cores: a real clip with
five cuts, real clips one after the other where there is a corpus, montages of known transitions, and 1080p footage that
is cut where it begins again.
    python -m benchmarks.shot_peers [--quick]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from benchmarks.cartoons import cartoons
from benchmarks.footage import FILM_S, HD_RATE, cache, hd_film, short_clip
from benchmarks.harness import Cost, Report
from benchmarks.peers.contest import cost_of
from benchmarks.peers.cuts import CutsByFile, answer_in
from benchmarks.peers.environments import pinned, python_of
from benchmarks.shot_scenes import RATES, Montage, Transition, encode, fixed_cameras, montages
from benchmarks.shot_scores import TOLERANCE_S, CutScore
from benchmarks.testbed.footage import corpus

REAL_CLIP, REAL_CUTS, REAL_RATE = "bikes.mp4", (30, 76, 137, 187, 242), 25
"""The first picture of each new shot, by eye."""
HD_CODECS, HD_GROUPS_S = ("libx264", "libx265"), (2, 10)
HD_S, QUICK_HD_S = 60, 20


@dataclass(frozen=True, slots=True)
class Contender:
    """`environment` None: rushes' own."""

    module: str
    detector: str
    environment: str | None = None

    def python(self) -> Path:
        return Path(sys.executable) if self.environment is None else python_of(self.environment)


PEER = "scenedetect"
OURS = "rushes"
CONTENDERS: Mapping[str, Contender] = {
    "AdaptiveDetector": Contender("scenedetect_cuts", "adaptive", PEER),
    "ContentDetector": Contender("scenedetect_cuts", "content", PEER),
    OURS: Contender("rushes_cuts", "transnetv2"),
}


@dataclass(frozen=True, slots=True)
class Films:
    """Films of one kind, each with what leads from shot to shot."""

    name: str
    transitions: Mapping[Path, Sequence[Transition]]
    seconds: float


@dataclass(slots=True)
class Outcome:
    """What a contender took for films, and what it found in them."""

    films: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    score: CutScore = field(default_factory=CutScore)

    def add(self, films: Films, cost: Cost, cuts_s: CutsByFile) -> None:
        self.films += len(films.transitions)
        self.seconds += films.seconds
        self.cpu_s += cost.cpu_s
        self.wall_s += cost.wall_s
        for film, transitions in films.transitions.items():
            self.score.add(cuts_s[str(film)], transitions)


def measure(folder: Path, *, quick: bool) -> Report:
    version = pinned(PEER, "scenedetect-headless")
    report = Report(
        f"From files to cuts beside PySceneDetect {version} at its defaults (two cores, from start to exit, a cut "
        f"within {TOLERANCE_S} s is right)"
    )
    pythons = {name: contender.python() for name, contender in CONTENDERS.items()}
    whole = {name: Outcome() for name in CONTENDERS}
    for films in _films(folder, quick=quick):
        outcomes = {name: Outcome() for name in CONTENDERS}
        for name, contender in CONTENDERS.items():
            print(f"{films.name}: {name} …", flush=True)
            out = folder / "answer"
            arguments = [contender.detector, str(out), *map(str, films.transitions)]
            cost = cost_of(pythons[name], contender.module, arguments, out)
            for outcome in (outcomes[name], whole[name]):
                outcome.add(films, cost, answer_in(out))
        _add(report, films.name, outcomes)
    _add(report, "all of them", whole)
    return report


def _add(report: Report, films: str, outcomes: Mapping[str, Outcome]) -> None:
    ours = outcomes[OURS]
    for name, found in outcomes.items():
        report.add(
            f"{films}: {name}, CPU-s per video-second",
            found.cpu_s / found.seconds,
            "s",
            limit=f"{OURS} {ours.cpu_s / found.cpu_s:.2f}x",
            note=f"{found.films} films, {found.seconds:.0f} s",
        )
        report.add(
            f"{films}: {name}, wall",
            found.wall_s,
            "s",
            limit=f"{OURS} {ours.wall_s / found.wall_s:.2f}x",
            note=f"{found.cpu_s / found.wall_s:.2f} cores busy",
        )
    for name, found in outcomes.items():
        score = found.score
        report.add(
            f"{films}: {name}, F1 of hard cuts",
            score.f1,
            "",
            limit=f"{OURS} {ours.score.f1:.4f}",
            note=f"{score.hits} of {score.hits + score.missed} found, {score.wrong} where there is none",
        )
        if score.gradual:
            report.add(
                f"{films}: {name}, gradual transitions seen",
                score.gradual_seen,
                f"of {score.gradual}",
                limit=f"{OURS} {ours.score.gradual_seen}",
            )


def _films(folder: Path, *, quick: bool) -> Iterator[Films]:
    yield _clip()
    if (root := corpus()) is not None:
        yield _corpus_montage(root)
    rates = RATES[1:2] if quick else RATES
    for montage in montages():
        yield _at_rates(montage, rates, folder)
    yield _at_rates(fixed_cameras(), rates[:2], folder)
    yield _at_rates(cartoons(), rates[:2], folder)
    yield _hd(QUICK_HD_S if quick else HD_S)


def _clip() -> Films:
    clip = cache().files("clips")[REAL_CLIP]
    return Films(f"real clip, {REAL_CLIP}", {clip: [_transition(frame) for frame in REAL_CUTS]}, _seconds(clip))


def _corpus_montage(root: Path) -> Films:
    """Real clips one after the other."""
    clip, truth = root / "derived" / "montage_h264.mp4", root / "derived" / "montage_gt.json"
    found = [
        _transition(item["frame"])
        if item["type"] == "cut"
        else _transition(item["start_frame"], item["end_frame"], item["type"])
        for item in json.loads(truth.read_text())["transitions"]
    ]
    return Films("montage of real clips", {clip: found}, _seconds(clip))


def _transition(frame: int, end_frame: int | None = None, kind: str = "cut") -> Transition:
    return Transition(kind, frame / REAL_RATE, (frame if end_frame is None else end_frame) / REAL_RATE)


def _at_rates(montage: Montage, rates: Sequence[Fraction], folder: Path) -> Films:
    transitions = montage.transitions()
    films = {path: transitions for rate in rates for path in encode(montage, rate, folder)}
    return Films(f"montage, {montage.name}", films, montage.seconds * len(films))


def _hd(seconds: int) -> Films:
    """A clip that begins again and again: each seam is a jump."""
    again_s = _seconds(short_clip(), HD_RATE)
    seams = sorted({whole + part for whole in range(0, seconds, FILM_S) for part in (0.0, again_s)} - {0.0})
    jumps = [Transition("jump", at, at) for at in seams]
    films = {hd_film(codec, group_s, seconds): jumps for codec in HD_CODECS for group_s in HD_GROUPS_S}
    return Films("1080p, 25 frames/s", films, float(seconds * len(films)))


def _seconds(clip: Path, rate: int = REAL_RATE) -> float:
    with av.open(str(clip)) as container:
        return sum(1 for _ in container.decode(video=0)) / rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one rate instead of five; keeps no figures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), quick=given.quick)
    report.show()
    if not given.quick:
        report.write("shot_peers")


if __name__ == "__main__":
    main()
