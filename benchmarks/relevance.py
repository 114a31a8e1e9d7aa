"""How well does search find what was asked for? By vector, by words and by both, over clips that anybody can fetch.

The queries and what answers them were written down before search was tried on these clips (`relevance.json`).
"""

import argparse
import json
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.harness import Report
from benchmarks.ranked import ndcg, recall, reciprocal_rank
from benchmarks.reels import Scene, scenes
from sinks.query.filters import Filters
from sinks.query.moments import MomentIndex
from stream.cli.commands.ingest import published
from stream.cli.context import Context, make_context
from stream.cli.options.stored_settings import file_settings
from stream.cli.options.uris import roots_of
from stream.clock import SystemClock
from stream.events.annotations import Space
from stream.events.grid import SECOND_NS
from stream.events.ids import clip_name
from stream.pipelines.settings import ModelChoice, Settings
from stream.search.application import Search
from stream.search.encoding import QueryEncoder
from stream.search.request import SearchRequest, Words
from stream.search.retrieval import Probe, best_matches
from stream.search.spaces import Spaces
from stream.sessions.embedded import Embedded

HERE = Path(__file__).parent
JUDGED = json.loads((HERE / "relevance.json").read_text())
SHOWS, RELATED = 2, 1
DEPTH, SHOWN = 500, 10
NINE_OF_TEN, FIVE_OF_SIX = 0.9, 5 / 6
ARMS = ("vector", "words", "hybrid")
# Clips carry one of two labels in turn, so that a filter keeps about half of them.
HALVES = ("one", "other")


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """Grades by scene; none for a query that nothing answers."""

    text: str
    kind: str
    grades: Mapping[str, int]


def judged_queries() -> list[JudgedQuery]:
    found = []
    for item in JUDGED["queries"]:
        grades = dict.fromkeys(item["shows"], SHOWS) | dict.fromkeys(item["related"], RELATED)
        found += [JudgedQuery(item[kind], kind, grades) for kind in ("plain", "paraphrase")]
    return found + [JudgedQuery(text, "absent", {}) for text in JUDGED["absent"]]


class Places:
    """Which scene a time of a clip shows."""

    def __init__(self, known: Sequence[Scene]) -> None:
        self._scenes = known

    def scene(self, name: str, start_ns: int, end_ns: int) -> str:
        """The scene in which the middle of the range lies."""
        middle_s = (start_ns + end_ns) / 2 / SECOND_NS
        for scene in self._scenes:
            if scene.clip.name == name and scene.start_s <= middle_s < scene.end_s:
                return scene.name
        raise LookupError(f"{name} has no scene at {middle_s} s")


def ingest(shared: Context, embedder: str, clips: Sequence[Path]) -> None:
    settings = Settings(
        state_dir=shared.state_dir,
        cache_dir=shared.cache_dir,
        roots=roots_of(clips),
        models=ModelChoice(embedder=embedder),
    )
    clock = SystemClock()
    with Embedded(settings, clock) as embedded:
        embedded.publish(
            published(
                clock, str(clip), tenant="judged", project="reels", profile="full", labels={"half": HALVES[at % 2]}
            )
            for at, clip in enumerate(clips)
        )
        embedded.run(threading.Event(), lambda _progress, _paused: None)


class Judge:
    """Asks one space, in each of the ways that search can."""

    def __init__(self, settings: Settings, space: Space, places: Places) -> None:
        self._index = MomentIndex(settings.index_dir)
        self._encoder = QueryEncoder(settings.cache_dir)
        self._space = space
        self._places = places

    def ranking(self, text: str, arm: str, filters: Filters | None = None) -> list[str]:
        """Scenes, best first, each once."""
        vector = None if arm == "words" else self._encoder.encode(self._space, Words(text))
        probe = Probe(vector, text=None if arm == "vector" else text)
        found = best_matches(self._index, self._space.key, probe, filters, limit=DEPTH)
        moments = [match.moment for match in found]
        return list(
            dict.fromkeys(self._places.scene(clip_name(item.uri), item.start_ns, item.end_ns) for item in moments)
        )

    def close(self) -> None:
        self._encoder.close()


def rate(judge: Judge, space: Space, queries: Sequence[JudgedQuery], report: Report) -> None:
    """Recall, MRR and nDCG of each arm."""
    measures: dict[str, Callable[[Sequence[str], Mapping[str, int]], float]] = {
        "recall@5": lambda ranking, grades: recall(ranking, grades, 5, least=SHOWS),
        "MRR": lambda ranking, grades: reciprocal_rank(ranking, grades, least=SHOWS),
        "nDCG@10": lambda ranking, grades: ndcg(ranking, grades, 10),
    }
    for kind in ("plain", "paraphrase"):
        asked = [query for query in queries if query.kind == kind]
        for arm in ARMS:
            rankings = [
                judge.ranking(query.text, arm) for query in track(asked, f"{space.name}, {kind} queries by {arm}")
            ]
            for name, measure in measures.items():
                value = mean(measure(ranking, query.grades) for ranking, query in zip(rankings, asked, strict=True))
                report.add(f"{space.name} {kind} {arm} {name}", value, "", note=f"{len(asked)} queries")


def rate_filters(judge: Judge, space: Space, queries: Sequence[JudgedQuery], report: Report) -> None:
    """How often a filter changes the order of what it keeps."""
    changed = total = 0
    for query in queries:
        whole = judge.ranking(query.text, "hybrid")
        for half in HALVES:
            kept = judge.ranking(query.text, "hybrid", Filters(labels={"half": half}))
            changed += kept != [name for name in whole if name in set(kept)]
            total += 1
    report.add(f"{space.name} order changed by a filter", changed, f"of {total}", note="asked 0")


def rate_strength(search: Search, space: Space, places: Places, queries: Sequence[JudgedQuery], report: Report) -> None:
    """Whether what is called strong is right, and whether it is said that nothing shows what is absent."""
    strong = right = found = answered = refused = absent = 0
    table = Table("query", "strong hits, wrong ones in brackets", title=f"{space.key}: strength", title_justify="left")
    for query in queries:
        answer = search.answer(SearchRequest(Words(query.text), space=space.key, limit=SHOWN))
        names = [places.scene(hit.name, hit.start_ns, hit.end_ns) for hit in answer.hits if hit.strength == "strong"]
        good = [name for name in names if query.grades.get(name, 0)]
        table.add_row(query.text, ", ".join(name if name in good else f"({name})" for name in names) or "-")
        strong, right = strong + len(names), right + len(good)
        if query.grades:
            answered, found = answered + 1, found + (not answer.all_weak)
        else:
            absent, refused = absent + 1, refused + answer.all_weak
    Console().print(table)
    report.add(f"{space.name} strong hits that are right", right / max(1, strong), f"of {strong}", note="asked 0.8")
    report.add(f"{space.name} queries with a hit that is not weak", found / answered, f"of {answered}")
    report.add(f"{space.name} absent queries answered by none", refused / absent, f"of {absent}", note="asked 0.8")


def calibrate(search: Search, space: Space, places: Places, queries: Sequence[JudgedQuery]) -> None:
    """Print scores for a space's calibration: from phrases and queries by which it is not judged."""
    phrases = json.loads((HERE / "calibration.json").read_text())["absent"]
    absent = [JudgedQuery(text, "", {}) for text in phrases if text not in JUDGED["shown"]]
    best = [max(score for score, _ in _scored(search, space, places, query)) for query in absent]
    scored = [item for query in queries if query.kind == "plain" for item in _scored(search, space, places, query)]
    scored.sort(reverse=True)
    right = [sum(grade > 0 for _, grade in scored[:count]) / count for count in range(1, len(scored) + 1)]
    strong = [score for (score, _), share in zip(scored, right, strict=True) if share >= NINE_OF_TEN]
    Console().print(f"{space.key}: weak_below={np.quantile(best, FIVE_OF_SIX):.3f}, strong_from={min(strong):.3f}")


def _scored(search: Search, space: Space, places: Places, query: JudgedQuery) -> list[tuple[float, int]]:
    """Scores of the first hits, each with its grade."""
    answer = search.answer(SearchRequest(Words(query.text), space=space.key, limit=SHOWN))
    names = [places.scene(hit.name, hit.start_ns, hit.end_ns) for hit in answer.hits]
    return [(hit.score or 0.0, query.grades.get(name, 0)) for hit, name in zip(answer.hits, names, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embedder", action="append", default=[], help="another space, hf:DIR; repeatable")
    parser.add_argument("--state", type=Path, help="keep the index here instead of in a temporary directory")
    parser.add_argument("--calibrate", action="store_true", help="also print scores to rate hits by")
    options = parser.parse_args()
    report = Report("Relevance by space, for queries that were judged before they were tried")
    known, queries = scenes(JUDGED["reels"]), judged_queries()
    places, clips = Places(known), sorted({scene.clip for scene in known})
    with tempfile.TemporaryDirectory() as scratch:
        shared = make_context(options.state or Path(scratch), None)
        for embedder in ("conse", *options.embedder):
            ingest(shared, embedder, clips)
        settings = file_settings(shared)
        with Search(settings, SystemClock()) as search:
            for space in Spaces(settings).listed():
                judge = Judge(settings, space, places)
                rate(judge, space, queries, report)
                rate_filters(judge, space, queries, report)
                judge.close()
                if options.calibrate:
                    calibrate(search, space, places, queries)
                rate_strength(search, space, places, queries, report)
    report.show()
    report.write("relevance")


if __name__ == "__main__":
    main()
