"""How well does search answer queries that were written down before tuning? Top-1, top-3 and MRR per space.

Needs the conformance corpus: RUSHES_CORPUS, or ../shared/videos beside the checkout.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Report
from stream.cli.commands.ingest import file_settings, published
from stream.cli.context import Context, make_context
from stream.cli.options.uris import roots_of
from stream.clock import SystemClock
from stream.events.annotations import Space
from stream.pipelines.settings import ModelChoice, Settings
from stream.search.application import Search
from stream.search.hit import Hit
from stream.search.request import SearchRequest, Words
from stream.search.spaces import Spaces
from stream.sessions.embedded import Embedded

ROOT = Path(__file__).resolve().parent.parent
QUERIES = json.loads((Path(__file__).parent / "queries.json").read_text())


@dataclass(frozen=True, slots=True)
class Judged:
    """Where the right clip came for one query (from 1; 0 when it did not), and how its best hit scored."""

    query: str
    rank: int
    best_score: float
    best_is_weak: bool


def corpus() -> Path:
    """The corpus directory; exits with words when there is none."""
    found = Path(os.environ.get("RUSHES_CORPUS", ROOT.parent / "shared" / "videos"))
    if not found.is_dir():
        sys.exit("no conformance corpus: set RUSHES_CORPUS to a directory with the clips of benchmarks/queries.json")
    return found


def ingest(shared: Context, embedder: str) -> None:
    clips = [str(corpus() / name) for name in QUERIES["clips"]]
    settings = Settings(
        state_dir=shared.state_dir,
        cache_dir=shared.cache_dir,
        roots=roots_of(map(Path, clips)),
        models=ModelChoice(embedder=embedder),
    )
    clock = SystemClock()
    with Embedded(settings, clock) as embedded:
        embedded.publish(
            published(clock, clip, tenant="eval", project="eval", profile="full", labels={}) for clip in clips
        )
        embedded.run(threading.Event(), lambda _progress, _paused: None)


def judged(search: Search, space: Space, query: str, clip: str) -> Judged:
    hits = search.answer(SearchRequest(Words(query), space=space.key, limit=50)).hits
    clips = list(dict.fromkeys(hit.name for hit in hits))
    best = _best(hits)
    return Judged(query, clips.index(clip) + 1 if clip in clips else 0, best.score or 0.0, best.weak)


def _best(hits: Sequence[Hit]) -> Hit:
    return max(hits, key=lambda hit: (not hit.weak, hit.score or 0.0))


def evaluate(search: Search, space: Space, report: Report) -> None:
    for kind in ("plain", "paraphrase"):
        answers = [judged(search, space, item[kind], item["clip"]) for item in QUERIES["queries"]]
        _show(f"{space.key}: {kind} queries", answers)
        count = len(answers)
        report.add(f"{space.name} {kind} top-1", sum(item.rank == 1 for item in answers), f"of {count}")
        report.add(f"{space.name} {kind} top-3", sum(1 <= item.rank <= 3 for item in answers), f"of {count}")
        report.add(f"{space.name} {kind} MRR", sum(1 / item.rank for item in answers if item.rank) / count, "")
        report.add(f"{space.name} {kind} not weak", sum(not item.best_is_weak for item in answers), f"of {count}")
    absent = [judged(search, space, query, "") for query in QUERIES["absent"]]
    _show(f"{space.key}: queries that nothing answers", absent)
    report.add(f"{space.name} absent marked weak", sum(item.best_is_weak for item in absent), f"of {len(absent)}")


def _show(title: str, answers: Sequence[Judged]) -> None:
    table = Table(title=title, title_justify="left")
    for column in ("query", "rank of the right clip", "best score", "weak"):
        table.add_column(column)
    for item in answers:
        table.add_row(item.query, str(item.rank or "-"), f"{item.best_score:.3f}", "weak" if item.best_is_weak else "")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embedder", action="append", default=[], help="another space, hf:DIR; repeatable")
    parser.add_argument("--state", type=Path, help="keep the index here instead of a temporary directory")
    options = parser.parse_args()
    report = Report("Search quality by space; the same queries helped to choose the default space's constants")
    with tempfile.TemporaryDirectory() as scratch:
        shared = make_context(options.state or Path(scratch), None)
        for embedder in ("conse", *options.embedder):
            ingest(shared, embedder)
        settings = file_settings(shared)
        with Search(settings, SystemClock()) as search:
            for space in Spaces(settings).listed():
                evaluate(search, space, report)
    report.show()
    report.write("search_quality")


if __name__ == "__main__":
    main()
