"""What every benchmark shares: CPU seconds of a process tree, peak memory, where and with what it ran, the table."""

import json
import os
import platform
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TypeVar

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.options import ROUNDS

T = TypeVar("T")
RESULTS = Path(__file__).parent / "results"
MEMORY_KIND = "PSS" if Path("/proc/self/smaps_rollup").exists() else "summed RSS"
PACKAGES = ("av", "torch", "onnxruntime", "numpy", "pyarrow", "lancedb", "deltalake", "confluent-kafka")


@dataclass(slots=True)
class Cost:
    """What a block of work took, children included.

    Memory is the peak of the whole tree: PSS, which divides shared pages among their users, where the system tells it,
    else summed RSS.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `limit` states the physical bound or the bare loop beside the figure."""

    name: str
    value: float
    unit: str
    limit: str = ""
    note: str = ""


@dataclass(slots=True)
class Report:
    """The figures of one script."""

    question: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, *, limit: str = "", note: str = "") -> None:
        self.figures.append(Figure(name, value, unit, limit, note))

    def compare(self, name: str, pairs: Sequence[tuple[float, float]], unit: str, *, other: str, bound: str) -> None:
        """(the other's, ours) of each round: our median beside the other's, and the median of the rounds' ratios."""
        theirs, ours = (median(column) for column in zip(*pairs, strict=True))
        ratio = median(ours / theirs for theirs, ours in pairs)
        self.add(name, ours, unit, limit=f"{other} {theirs:.4g} {unit}", note=f"{ratio:.2f}x ({bound})")

    def publish(self, name: str, rounds: int) -> None:
        """Print the table; figures of a quick run are not kept."""
        self.show()
        if rounds == ROUNDS:
            self.write(name)

    def show(self) -> None:
        table = Table(title=self.question, title_justify="left")
        for column, side in (
            ("figure", "left"),
            ("value", "right"),
            ("unit", "left"),
            ("beside it", "left"),
            ("note", "left"),
        ):
            table.add_column(column, justify="right" if side == "right" else "left")
        for figure in self.figures:
            table.add_row(figure.name, f"{figure.value:.4g}", figure.unit, figure.limit, figure.note)
        Console().print(table)

    def write(self, name: str) -> Path:
        """`results/<name>.json`."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
        path.write_text(self.text())
        return path

    def text(self) -> str:
        """As JSON, with what is needed to compare it with another day's."""
        body = {
            "question": self.question,
            "environment": environment(),
            "figures": [asdict(item) for item in self.figures],
        }
        return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def environment() -> Mapping[str, object]:
    """Machine, versions and commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "processor": _processor(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": commit.stdout.strip(),
        # What else ran before and meanwhile: on a busy machine only ratios within one run mean anything.
        "load_average_1_min": round(os.getloadavg()[0], 1),
    }


@contextmanager
def measured(interval_s: float = 0.5) -> Iterator[Cost]:
    """Fill a `Cost` while the block runs: children that ended are counted by the system, living ones at both ends.

    The system forgets a process whose parent does not care for its end (Ray's): where what was last seen of every
    process comes to more, that counts. What sampling costs is taken off again.
    """
    cost, stop = Cost(), threading.Event()
    seen = _Seen()
    sampler = threading.Thread(target=_watch, args=(cost, seen, stop, interval_s), daemon=True)
    before_cpu = _tree_cpu_s()
    start = time.monotonic()
    sampler.start()
    try:
        yield cost
    finally:
        cost.wall_s = time.monotonic() - start
        stop.set()
        sampler.join()
        cost.cpu_s += max(_tree_cpu_s() - before_cpu, seen.cpu_s)


def in_rounds(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[Cost]]:
    """Each piece of work once a round, in order, so that a slow minute of the machine strikes all of them alike."""
    costs: dict[str, list[Cost]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            with measured() as cost:
                run()
            costs[name].append(cost)
    return costs


def cpu_ratio(costs: Mapping[str, Sequence[Cost]], over: str, *under: str, scale: float = 1.0) -> float:
    """Median over rounds of the CPU of `over` by the summed CPU of `under`, these done `scale` times."""
    rounds = range(len(costs[over]))
    return median(costs[over][turn].cpu_s / sum(costs[name][turn].cpu_s for name in under) / scale for turn in rounds)


def median_cpu_s(costs: Sequence[Cost]) -> float:
    return median(cost.cpu_s for cost in costs)


def median_wall_s(costs: Sequence[Cost]) -> float:
    return median(cost.wall_s for cost in costs)


def median_of(costs: Sequence[float]) -> float:
    """The figure to quote: these machines are noisy."""
    return median(costs)


class _Seen:
    """CPU-seconds since it was made of every process of the tree, as far as it was looked at."""

    def __init__(self) -> None:
        self._last: dict[psutil.Process, float] = {}
        self.look()
        self._before_s = sum(self._last.values())

    def look(self) -> None:
        self._last.update(_over_tree(lambda process: (process, _cpu_s(process))))

    @property
    def cpu_s(self) -> float:
        return sum(self._last.values()) - self._before_s


def _watch(cost: Cost, seen: _Seen, stop: threading.Event, interval_s: float) -> None:
    while not stop.wait(interval_s):
        cost.peak_bytes = max(cost.peak_bytes, round(sum(_over_tree(_memory_bytes))))
        seen.look()
    seen.look()
    cost.cpu_s -= time.thread_time()


def _tree_cpu_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(_over_tree(_cpu_s)) + ended.ru_utime + ended.ru_stime


def _over_tree(ask: Callable[[psutil.Process], T]) -> list[T]:
    me = psutil.Process()
    found = []
    for process in (me, *me.children(recursive=True)):
        try:
            found.append(ask(process))
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            continue
    return found


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _memory_bytes(process: psutil.Process) -> int:
    rollup = Path(f"/proc/{process.pid}/smaps_rollup")
    if MEMORY_KIND == "PSS":
        lines = rollup.read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return int(process.memory_info().rss)


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].split(":", 1)[1].strip() if names else platform.processor()
