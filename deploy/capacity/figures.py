"""The committed figures that the arithmetic begins with."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deploy.documents.markdown import table

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


@dataclass(frozen=True, slots=True)
class Source:
    """A figure of `benchmarks/results`: in which file and under which name."""

    file: str
    name: str
    unit: str
    meaning: str

    @property
    def value(self) -> float:
        """Raises `KeyError` where the benchmark does not tell it any more."""
        return figures(self.file)[self.name][0]


@cache
def figures(file: str) -> dict[str, tuple[float, str]]:
    """Value and what stands beside it, by name."""
    body = json.loads((RESULTS / f"{file}.json").read_text())
    return {figure["name"]: (float(figure["value"]), figure["limit"]) for figure in body["figures"]}


def marks() -> list[int]:
    """Cells of the stores that `benchmarks/stores.py` measured, from the smallest on."""
    found = [re.match(r"index, (\d+) cells: CPU per 1,000 cells", name) for name in figures("stores")]
    return sorted(int(match[1]) for match in found if match)


def last_mark() -> int:
    """Cells of the largest of them."""
    return marks()[-1]


def scaling_overhead() -> float:
    """Replica-hours that scaling by freshness paid for in the simulation, by those if nobody ever waited."""
    paid, beside = figures("autoscale_simulation")["ours: replica-hours"]
    return paid / float(beside.split(" h", maxsplit=1)[0])


def _topology(name: str, meaning: str) -> Source:
    return Source("topology_cost", name, "CPU-s", meaning)


def _last(stage: str, what: str, unit: str, meaning: str) -> Source:
    return Source("stores", f"{stage}, {last_mark()} cells: {what}", unit, meaning)


@cache
def sources() -> dict[str, Source]:
    """Every figure that is used, by the name that lines use."""
    return {
        "decode": _topology("full: of which decode in its children", "decode of a video-second"),
        "models": _topology("full: of which the bundle", "models of a video-second"),
        "whole": _topology("full: topology, CPU-s per video-second", "everything of a video-second"),
        "device": Source(
            "gpu_understand_cuda", "understand, fed from memory, video-s per s", "video-s/s", "models on one H100"
        ),
        "inspect": Source("searchable", "inspect alone, p50", "s", "plan's look at a file"),
        "index": _last("index", "CPU per 1,000 cells", "CPU-s", f"index sink, 1,000 cells, at {last_mark():,} cells"),
        "parquet": _last("parquet", "CPU per 1,000 cells", "CPU-s", "Delta sink, the same"),
        "row": Source("stores", "row as Arrow holds it", "B", "one moment, 384 dimensions, 1.5 kB thumbnail"),
        "live": _last("index", "live rows", "MiB", "live rows of the largest store measured"),
        "index_disk": _last("index", "disk at rest", "MiB", "the same in the index"),
        "parquet_disk": _last("parquet", "disk at rest", "MiB", "the same in the Delta table"),
        "paid": Source("autoscale_simulation", "ours: replica-hours", "h", "three simulated days, scaled by freshness"),
    }


def growth_table() -> str:
    """What a cell costs in stores of each size, and by what it costs in the smallest."""
    rows = []
    for stage, store in (("index", "index"), ("parquet", "Delta table")):
        first = [_grown(stage, marks()[0], what) for what in _GROWING]
        for cells in marks():
            found = [_grown(stage, cells, what) for what in _GROWING]
            beside = [
                f" ({value / least:.2f}x)" if cells > marks()[0] else ""
                for value, least in zip(found, first, strict=True)
            ]
            cost, memory, longest = found
            rows.append((store, f"{cells:,}", f"{cost:.2f}{beside[0]}", f"{memory:.0f}{beside[1]}", f"{longest:.2f}"))
    return table(("store", "cells", "CPU-s per 1,000 cells", "MiB of memory at most", "s of the longest commit"), rows)


_GROWING = ("CPU per 1,000 cells", "peak memory", "longest commit")


def _grown(stage: str, cells: int, what: str) -> float:
    return figures("stores")[f"{stage}, {cells} cells: {what}"][0]


def figures_table() -> str:
    rows = [
        (f"`{name}`", f"{item.value:.4g} {item.unit}", item.meaning, f"`{item.file}.json`")
        for name, item in sources().items()
    ]
    return table(("figure", "value", "meaning", "from"), rows)
