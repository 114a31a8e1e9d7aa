"""`rushes service-work`: what `rushes serve` starts beside itself to run the stages. Not for people."""

import sys
from dataclasses import replace

import typer

from stream.cli.context import Context
from stream.cli.options.chosen_models import remembered_models
from stream.cli.options.roots import remembered_roots, require_buckets
from stream.cli.options.stored_settings import file_settings
from stream.cli.options.workers import PrivateNetwork, RootsOption, Schemes, WorkerOptions
from stream.clock import SystemClock


def service_work(
    context: typer.Context,
    private_network: PrivateNetwork = False,
    scheme: Schemes = None,
    root: RootsOption = None,
) -> None:
    """Take work from standard input, a line of JSON each, and work until all are final. Ends when there are none."""
    from stream.runtime.priority import give_way

    # Before anything that starts threads. Who searches must not wait for footage that is being taken in.
    give_way()
    from sinks.dead_letters import DeadLetters
    from stream.runtime.temporary_folders import own_scratch
    from stream.sessions.background import WorkReport
    from stream.sessions.background_feed import work
    from stream.sessions.embedded import Embedded

    shared: Context = context.obj
    options = WorkerOptions(private_network=private_network, scheme=tuple(scheme or ()), root=tuple(root or ()))
    # As a replay on the command line: the models of the ingest, and what an ingest named before.
    allowed = remembered_roots(shared.state_dir)
    settings = replace(options.applied(file_settings(shared), allowed), models=remembered_models(shared.state_dir))
    require_buckets(options.scheme, settings.prefixes)

    def say(report: WorkReport) -> None:
        shared.write(report.model_dump_json() + "\n")
        shared.output.flush()

    with own_scratch(), Embedded(settings, SystemClock()) as session:
        work(session, DeadLetters(settings.index_dir), sys.stdin, say)
