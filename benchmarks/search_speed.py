"""`make bench-search-speed`: how long a search takes over a million moments, and whether it finds what is nearest.

    python -m benchmarks.search_speed [--moments 1000000] [--questions 60] [--beside 1000] [--shards 1]
        [--directory DIR] [--json FILE]

The index is filled in bulk (`benchmarks.testbed.search_fill`) and kept in DIR, where it is used again. In the end a
copy is searched while the index sink fills it with other footage at full speed (of one shard only): first as
`rushes run --give-way` does and what `rushes serve` starts, then with no regard to who searches.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

import numpy as np

from benchmarks.harness import Report, environment
from benchmarks.testbed.peak_memory import forget_peak, peak_bytes
from benchmarks.testbed.search_beside import Ingest, Rate, copied, ingesting
from benchmarks.testbed.search_fill import TENANTS, Footage
from benchmarks.testbed.store_stream import SPACE
from sinks.layout import Layout
from sinks.query.filters import Filters, Scope, moments_where
from sinks.query.moments import MomentIndex
from sinks.tables.names import moments_table
from stream.search.retrieval import DEEPEST, Matches, Probe, matches_from

MOMENTS, QUESTIONS, BESIDE, LIMIT = 1_000_000, 60, 1_000, 10
_WARM, _FIRST = 5, 100
_RECALLED = 20
_FILTERS = {
    "without a filter": Filters(),
    "filter that keeps 50 %": Filters(labels={"half": "1"}),
    "filter that keeps 2 %": Filters(labels={"team": "7"}),
    "filter that keeps 0.01 %": Filters(labels={"shoot": "17"}),
    "one tenant, the largest": Filters(tenant="tenant-0000"),
    "rights to 1,000 tenants": Filters(scopes=tuple(Scope(f"tenant-{number:04d}") for number in range(TENANTS))),
}


@dataclass(frozen=True, slots=True)
class Times:
    """Of one kind of question; `cpu_ms` is the mean over all threads."""

    p50_ms: float
    p99_ms: float
    cpu_ms: float


_Asked = Sequence[Callable[[], object]]


class Bench:
    """Asks the index under `directory` and reports."""

    def __init__(self, directory: Path, footage: Footage, questions: int, shards: int = 1) -> None:
        self._directory, self._footage = directory, footage
        self._index = MomentIndex(directory)
        self._vectors = list(footage.questions(questions))
        self._words = footage.words(questions)
        where = "" if shards == 1 else f" in {shards} shards"
        self.report = Report(f"How long does a search take over {footage.moments:,} moments{where}?")

    def run(self) -> None:
        # They read from disk what later ones find in memory.
        first = [self._asked(Probe(vector), Filters()) for vector in self._footage.questions(_FIRST, seed=_FIRST)]
        self._told(f"the first {_FIRST} of a process, without a filter", measured(first, warm=0))
        for name, filters in _FILTERS.items():
            probes = [Probe(vector) for vector in self._vectors]
            times = measured([self._asked(probe, filters) for probe in probes])
            self._told(f"{name}", times, note=f"recall@{LIMIT} {self._recall(filters):.3f}")
        hybrid = [Probe(vector, text=words) for vector, words in zip(self._vectors, self._words, strict=True)]
        for name, filters in list(_FILTERS.items())[:3]:
            self._told(f"with words, {name}", measured([self._asked(probe, filters) for probe in hybrid]))
        self._deep()

    def _deep(self) -> None:
        """The last page that there is, and what it takes of memory."""
        # Of these questions alone: others have looked at every vector.
        forget_peak()
        before = peak_bytes()
        deep = [self._asked(Probe(vector), Filters(), DEEPEST - LIMIT) for vector in self._vectors[: 2 * _WARM]]
        times = measured(deep)
        grown = (peak_bytes() - before) >> 20
        self._told(f"page at rank {DEEPEST:,}", times, note=f"ends with {deep[0]().end!r}; +{grown} MiB at most")

    def beside(self, questions: int, *, giving_way: bool) -> None:
        """So many questions of some kinds, alone and then while the sink fills the store that is asked."""
        vectors, words = self._footage.questions(questions), self._footage.words(questions)
        plain, hybrid = list(map(Probe, vectors)), list(map(Probe, vectors, ["vector"] * questions, words))
        kinds = {
            "without a filter": (plain, Filters()),
            "filter that keeps 2 %": (plain, _FILTERS["filter that keeps 2 %"]),
            "with words, without a filter": (hybrid, Filters()),
        }
        asked = {name: [self._asked(probe, filters) for probe in probes] for name, (probes, filters) in kinds.items()}
        alone = {name: measured(same) for name, same in asked.items()}
        beside = "beside ingest" if giving_way else "beside ingest that does not give way"
        with ingesting(self._directory, giving_way=giving_way) as ingest:
            for name, same in asked.items():
                self._compared(f"{beside}, {name}", alone[name], same, ingest)

    def _compared(self, about: str, alone: Times, questions: _Asked, ingest: Ingest) -> None:
        rate = Rate(ingest)
        times, cells_per_s = measured(questions), rate.cells_per_s
        note = f"{times.cpu_ms:.3g} ms of CPU, alone {alone.cpu_ms:.3g}; {cells_per_s:.3g} cells/s written"
        self._add(about, times.p50_ms, "ms p50", limit=f"alone {alone.p50_ms:.3g} ms", note=note)
        ratio = times.p99_ms / alone.p99_ms
        note = f"{ratio:.2f}x (at most 2x)"
        self._add(f"{about}: p99", times.p99_ms, "ms p99", limit=f"alone {alone.p99_ms:.3g} ms", note=note)

    def _asked(self, probe: Probe, filters: Filters, offset: int = 0) -> Callable[[], Matches]:
        return lambda: matches_from(self._index, SPACE.key, probe, filters, offset=offset, limit=LIMIT)

    def _recall(self, filters: Filters) -> float:
        """The share of the true nearest that a search answers."""
        shares = []
        for vector, true in zip(self._vectors, self._nearest(filters), strict=False):
            found = {match.moment.moment_id for match in self._asked(Probe(vector), filters)().items}
            shares.append(len(true & found) / len(true))
        return float(np.mean(shares))

    def _nearest(self, filters: Filters) -> list[set[str]]:
        """The true nearest of some questions: every vector is read once for all of them, and no index is used."""
        import lance

        asked = np.stack(self._vectors[:_RECALLED])
        best: list[list[tuple[float, str]]] = [[] for _ in asked]
        for place in Layout.of(self._directory).places:
            table = lance.dataset(place.directory / f"{moments_table(SPACE.key)}.lance")
            where = moments_where(filters, None, table.schema.names)
            for batch in table.scanner(columns=["moment_id", "vector"], filter=where).to_batches():
                vectors = batch["vector"].flatten().to_numpy().reshape(batch.num_rows, -1)
                ids = batch["moment_id"]
                for held, scores in zip(best, asked @ vectors.T, strict=True):
                    first = np.argsort(-scores)[:LIMIT]
                    held.extend(zip(scores[first].tolist(), ids.take(first).to_pylist(), strict=True))
        return [{name for _, name in sorted(held, reverse=True)[:LIMIT]} for held in best]

    def _told(self, name: str, times: Times, note: str = "") -> None:
        beside = f"p99 {times.p99_ms:.3g} ms"
        cpu = f"{times.cpu_ms:.3g} ms of CPU"
        self._add(name, times.p50_ms, "ms p50", limit=beside, note="; ".join(filter(None, (cpu, note))))

    def _add(self, name: str, value: float, unit: str, *, limit: str, note: str) -> None:
        self.report.add(name, value, unit, limit=limit, note=note)
        told(f"{name}: {value:.3g} {unit}, {limit}; {note}")


def told(what: str) -> None:
    """What was done just now: the whole takes some minutes."""
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


def measured(questions: Sequence[Callable[[], object]], warm: int = _WARM) -> Times:
    for ask in questions[:warm]:
        ask()
    walls, cpu_s = [], 0.0
    for ask in questions:
        start, before = time.perf_counter(), time.process_time()
        ask()
        walls.append(1000 * (time.perf_counter() - start))
        cpu_s += time.process_time() - before
    cuts = quantiles(walls, n=100, method="inclusive")
    return Times(cuts[49], cuts[98], 1000 * cpu_s / len(questions))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=MOMENTS)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--beside", type=int, default=BESIDE, help="so many questions of a kind beside ingest; 0: none")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--json", type=Path, help="write the figures here and not to benchmarks/results")
    wanted = parser.parse_args()
    footage = Footage(wanted.moments)
    with tempfile.TemporaryDirectory() as made:
        directory = wanted.directory or Path(made)
        if not any(directory.rglob("*.lance")):
            directory.mkdir(parents=True, exist_ok=True)
            told("filling the index …")
            footage.fill(directory, wanted.shards)
            told("building its parts …")
            footage.index(directory)
        bench = Bench(directory, footage, wanted.questions, wanted.shards)
        bench.run()
        for giving_way in (True, False) if wanted.beside and wanted.shards == 1 else ():
            # A copy for each: what fills a store begins with the same assets, which must be new to it.
            with copied(directory) as copy:
                told(f"a copy is asked alone, {wanted.beside} questions of each kind, and then while it is filled …")
                beside = Bench(copy, footage, wanted.questions)
                beside.beside(wanted.beside, giving_way=giving_way)
                bench.report.figures += beside.report.figures
    bench.report.show()
    if wanted.json is not None:
        figures = [asdict(figure) for figure in bench.report.figures]
        wanted.json.write_text(json.dumps({"environment": environment(), "figures": figures}, indent=2) + "\n")
    elif wanted.moments == MOMENTS:
        print(bench.report.write("search_speed" if wanted.shards == 1 else f"search_speed_{wanted.shards}_shards"))


if __name__ == "__main__":
    main()
