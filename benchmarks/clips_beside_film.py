"""How soon are 50 clips of 5 seconds searchable that are published at once, alone and beside a film of two hours?

One warm topology with real weights; the film is given up with it. A clip that is not searchable after `PATIENCE_S`
counts as searchable then, and the table says so.
    python -m benchmarks.clips_beside_film [--quick]
"""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.decode_cost import repeated
from benchmarks.footage import DECODE_CHILDREN, HD_FACTS, MODEL_THREADS, SHORT_S, footage_dir, hd_clip
from benchmarks.harness import Report
from benchmarks.options import ROUNDS, rounds_wanted
from benchmarks.warm import warm_topology

CLIPS, FEW_CLIPS = 50, 6
FILM_S, SHORT_FILM_S = 7200, 120
PATIENCE_S = 270.0


def measure(clips: int, film_s: int) -> Report:
    clip = hd_clip(SHORT_S)
    with tempfile.TemporaryDirectory(dir=footage_dir()) as made, tempfile.TemporaryDirectory() as folder:
        film = repeated(hd_clip(), Path(made) / "film.mp4", film_s)
        with warm_topology(Path(folder), clip, footage_dir(), Path(made)) as topology:
            print(f"{clips} clips alone …", flush=True)
            quiet = topology.ready_s([f"quiet-{number}" for number in range(clips)], clip, PATIENCE_S)
            topology.settle()
            print("the film begins …", flush=True)
            topology.begin(film, "film", "understand", PATIENCE_S)
            print(f"{clips} clips beside it …", flush=True)
            beside = topology.ready_s([f"beside-{number}" for number in range(clips)], clip, PATIENCE_S)
    report = Report(
        f"{clips} clips of {SHORT_S} s published at once ({HD_FACTS}, full), alone and beside a film of "
        f"{film_s / 60:.0f} min ({DECODE_CHILDREN} decode children, {MODEL_THREADS} model threads)"
    )
    _add(report, "alone", quiet)
    _add(report, "beside the film", beside)
    ratio = _percentile(beside, 90) / _percentile(quiet, 90)
    report.add("p90 beside the film, by alone", ratio, "x", limit="at most 2x", note=f"p50 {_p50_ratio(beside, quiet)}")
    return report


def _add(report: Report, name: str, seen: Sequence[float]) -> None:
    for percent in (50, 90):
        report.add(f"{name}: event to searchable, p{percent}", _percentile(seen, percent), "s")
    late = sum(seconds >= PATIENCE_S for seconds in seen)
    note = f"; {late} not searchable by then" if late else ""
    report.add(f"{name}: the last of them", max(seen), "s", note=f"the first after {min(seen):.3g} s{note}")


def _percentile(seen: Sequence[float], percent: int) -> float:
    return sorted(seen)[math.ceil(percent / 100 * len(seen)) - 1]


def _p50_ratio(beside: Sequence[float], quiet: Sequence[float]) -> str:
    return f"{median(beside) / median(quiet):.2f}x"


if __name__ == "__main__":
    rounds = rounds_wanted(__doc__)
    whole = rounds == ROUNDS
    report = measure(CLIPS if whole else FEW_CLIPS, FILM_S if whole else SHORT_FILM_S)
    report.publish("clips_beside_film", rounds)
