"""`make bench-service`: what a search over HTTP costs more than the same search in the process, audit included; and how
many people at once it answers.

    python -m benchmarks.service_speed [--moments 300000] [--questions 300] [--searchers 200] [--seconds 120]
        [--directory DIR] [--json FILE]

The index is filled in bulk (`benchmarks.testbed.search_fill`). Questions are for moments like another one, so that no
model of words is part of either side.
"""

import argparse
import asyncio
import json
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles

import httpx
import psutil
from rich.progress import track

from benchmarks.harness import Report, environment
from benchmarks.testbed.runs import RUSHES
from benchmarks.testbed.search_beside import Rate, copied, ingesting
from benchmarks.testbed.search_fill import Footage
from benchmarks.testbed.store_stream import SPACE
from sinks.query.moments import MomentIndex
from sinks.query.sharded_version import Version
from stream.cli.context import make_context
from stream.cli.options.stored_settings import file_settings
from stream.clock import SystemClock
from stream.search.application import Search
from stream.search.request import MomentRef, SearchRequest

MOMENTS, QUESTIONS, SEARCHERS, SECONDS, LIMIT = 300_000, 300, 200, 120, 20
_WARM = 20
_CLIENT_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Service:
    """`rushes serve` in a process of its own."""

    address: str
    process: psutil.Process

    @property
    def mebibytes(self) -> float:
        return float(self.process.memory_info().rss) / 2**20


@contextmanager
def serving(state: Path, *options: str) -> Iterator[Service]:
    command = [str(RUSHES), "--state", str(state), "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        if found is None:
            raise RuntimeError(f"the service did not start: {process.stderr.read()}")
        yield Service(found[0], psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def asked_moments(directory: Path, count: int) -> list[str]:
    """Ids of moments that lie all over the store."""
    index = MomentIndex(directory)
    return index.reading(lambda: _spread(index.version(SPACE.key), count))


def _spread(version: Version | None, count: int) -> list[str]:
    assert version is not None
    batches = version.batches("true", ["moment_id"], 8_192)
    names = [name for batch in batches for name in batch["moment_id"].to_pylist()]
    return [str(names[at]) for at in range(0, len(names), max(1, len(names) // count))][:count]


class Bench:
    """Asks one store in both ways."""

    def __init__(self, state: Path, moments: Sequence[str], service: Service, report: Report) -> None:
        self._search = Search(file_settings(make_context(state, None)), SystemClock())
        self._moments = moments
        self._service = service
        self._report = report
        self._client = httpx.Client(base_url=service.address, timeout=_CLIENT_TIMEOUT_S)

    def close(self) -> None:
        self._client.close()
        self._search.close()

    def overhead(self) -> None:
        """Both ways in turn, the same question one after the other."""
        for moment in self._moments[:_WARM]:
            self._bare(moment)
            self._asked(moment)
        pairs = [
            (_ms(self._bare, moment), _ms(self._asked, moment)) for moment in track(self._moments, "one at a time")
        ]
        bare, asked = zip(*pairs, strict=True)
        more = median(one - other for other, one in pairs)
        self._report.add("search over HTTP", median(asked), "ms p50", limit=f"in the process {median(bare):.3g} ms")
        self._report.add("search over HTTP, p99", _p99(asked), "ms", limit=f"in the process {_p99(bare):.3g} ms")
        self._report.add("what HTTP, rights and audit add", more, "ms p50", note="asked 3 ms")

    def beside(self, directory: Path, *, giving_way: bool) -> None:
        """While a sink fills the store at full speed: as the process does that `rushes serve` starts, which gives way,
        or as one that does not, such as a worker on the same machine.
        """
        name = "beside ingest" if giving_way else "beside ingest that does not give way"
        for moment in self._moments[:_WARM]:
            self._asked(moment)
        quiet = _p99([_ms(self._asked, moment) for moment in self._moments])
        with ingesting(directory, giving_way=giving_way) as ingest:
            rate = Rate(ingest)
            busy = _p99([_ms(self._asked, moment) for moment in track(self._moments, name)])
            written = rate.cells_per_s
        note = f"{busy / quiet:.2f}x (asked 2x); {written:.3g} cells/s written"
        self._report.add(f"{name}, p99", busy, "ms", limit=f"quiet {quiet:.3g} ms", note=note)

    def crowd(self, searchers: int, seconds: float) -> None:
        """So many people at once, each asking again as soon as there is an answer."""
        before, answers = self._service.mebibytes, asyncio.run(_crowd(self._service, self._moments, searchers, seconds))
        good = [ms for status, ms, _ in answers if status == 200]
        name = f"{searchers} searchers at once"
        half = median([size for _, _, size in answers[: len(answers) // 2]])
        late = [size for _, _, size in answers[-len(answers) // 10 :]]
        self._report.add(
            name, len(good) / seconds, "answers/s", note=f"p50 {median(good):.4g} ms, p99 {_p99(good):.4g} ms"
        )
        self._report.add(f"{name}: not answered", len(answers) - len(good), f"of {len(answers)}", note="asked 0")
        grown = f"{before:.0f} MiB before, {half:.0f} MiB in the first half"
        self._report.add(f"{name}: memory in the end", median(late), "MiB", limit=grown)

    def _bare(self, moment: str) -> int:
        return len(self._search.answer(SearchRequest(MomentRef(moment), space=SPACE.key, limit=LIMIT)).hits)

    def _asked(self, moment: str) -> int:
        answer = self._client.get("/v1/search", params={"like": moment, "limit": LIMIT, "space": SPACE.key})
        answer.raise_for_status()
        return len(answer.json()["hits"])


@contextmanager
def benching(state: Path, questions: int, report: Report) -> Iterator[tuple[Bench, Path]]:
    """Over a copy of the store, with the directory of its index: what is served gets a trail and other footage."""
    with copied(state) as copy, serving(copy) as service:
        held = file_settings(make_context(copy, None)).index_dir.directory
        bench = Bench(copy, asked_moments(held, questions), service, report)
        yield bench, held
        bench.close()


async def _crowd(
    service: Service, moments: Sequence[str], searchers: int, seconds: float
) -> list[tuple[int, float, float]]:
    """Of each request: its status (0: none came), milliseconds, and the service's memory (MiB)."""
    found: list[tuple[int, float, float]] = []
    end = time.monotonic() + seconds

    async def search(number: int, client: httpx.AsyncClient) -> None:
        place = number
        while time.monotonic() < end:
            place += searchers
            asked = {"like": moments[place % len(moments)], "limit": str(LIMIT), "space": SPACE.key}
            start = time.perf_counter()
            try:
                status = (await client.get("/v1/search", params=asked)).status_code
            except httpx.HTTPError:
                status = 0
            found.append((status, 1000 * (time.perf_counter() - start), service.mebibytes))

    limits = httpx.Limits(max_connections=searchers, max_keepalive_connections=searchers)
    async with httpx.AsyncClient(base_url=service.address, timeout=_CLIENT_TIMEOUT_S, limits=limits) as client:
        await asyncio.gather(*(search(number, client) for number in range(searchers)))
    return found


def _ms(ask: Callable[[str], object], moment: str) -> float:
    start = time.perf_counter()
    ask(moment)
    return 1000 * (time.perf_counter() - start)


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=MOMENTS)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--searchers", type=int, default=SEARCHERS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--directory", type=Path, help="keep the state here, and use it again")
    parser.add_argument("--json", type=Path, help="write the figures here and not to benchmarks/results")
    wanted = parser.parse_args()
    footage = Footage(wanted.moments)
    report = Report(f"What does the service add to a search over {wanted.moments:,} moments?")
    with tempfile.TemporaryDirectory() as made:
        state = wanted.directory or Path(made) / "state"
        index = file_settings(make_context(state, None)).index_dir.directory
        if not any(index.rglob("*.lance")):
            index.mkdir(parents=True, exist_ok=True)
            footage.fill(index)
            footage.index(index)
        with benching(state, wanted.questions, report) as (bench, held):
            bench.overhead()
            bench.crowd(wanted.searchers, wanted.seconds)
            bench.beside(held, giving_way=True)
        with benching(state, wanted.questions, report) as (bench, held):
            bench.beside(held, giving_way=False)
    report.show()
    if wanted.json is not None:
        figures = [asdict(figure) for figure in report.figures]
        wanted.json.write_text(json.dumps({"environment": environment(), "figures": figures}, indent=2) + "\n")
    elif (wanted.moments, wanted.seconds) == (MOMENTS, SECONDS):
        print(report.write("service_speed"))


if __name__ == "__main__":
    main()
