"""`rushes`: the list of commands and the entry point. A command is imported when it is called."""

import os
import sys
from typing import Annotated

import typer

from stream.children.loading import before_exit, begin_loading
from stream.cli.command_table import CommandEntry, group_of
from stream.cli.context import make_context
from stream.cli.execution import finished
from stream.cli.rendering.output import Document
from stream.pipelines.stages import PARQUET

_HERE = "stream.cli.commands."
COMMANDS = {
    "demo": CommandEntry(_HERE + "demo:demo", deployment=True),
    "ingest": CommandEntry(_HERE + "ingest:ingest", deployment=True),
    "run": CommandEntry(_HERE + "run:run", deployment=True),
    "exporter": CommandEntry(_HERE + "exporter:exporter", deployment=True),
    "lag": CommandEntry(_HERE + "lag:lag", deployment=True),
    "autoscale": CommandEntry(_HERE + "autoscale:autoscale", deployment=True),
    "control": CommandEntry(_HERE + "control:control", deployment=True),
    "usage": CommandEntry(_HERE + "control:usage", deployment=True),
    "progress": CommandEntry(_HERE + "control:progress", deployment=True),
    "service-work": CommandEntry(_HERE + "service_work:service_work", deployment=True, hidden=True),
    "search": CommandEntry(_HERE + "search:search"),
    "serve": CommandEntry(_HERE + "serve:serve", deployment=True),
    "status": CommandEntry(_HERE + "assets:status", deployment=True),
    "moments": CommandEntry(_HERE + "assets:moments"),
    "delete": CommandEntry(_HERE + "maintenance:delete", deployment=True),
    "compact": CommandEntry(_HERE + "maintenance:compact"),
    "adopt": CommandEntry(_HERE + "adopt:adopt", deployment=True),
    "manifests": CommandEntry(_HERE + "manifests:manifests", deployment=True),
    "topology": CommandEntry(_HERE + "topology:topology", deployment=True),
    "verify": CommandEntry(_HERE + "verify:verify"),
    "doctor": CommandEntry(_HERE + "doctor:doctor", deployment=True),
    "dead-letters": CommandEntry(_HERE + "dead_letters:app"),
    "weights": CommandEntry(_HERE + "weights:weights_app"),
    "samples": CommandEntry(_HERE + "weights:samples_app"),
    "spaces": CommandEntry(_HERE + "spaces:app"),
    "stores": CommandEntry(_HERE + "stores:app"),
    "models": CommandEntry(_HERE + "spaces:app", hidden=True),  # the former name of `spaces`
    "audit": CommandEntry(_HERE + "audit:app"),
    "access": CommandEntry(_HERE + "access:app"),
    "tenants": CommandEntry(_HERE + "tenants:app"),
    "rights": CommandEntry(_HERE + "rights:rights", deployment=True),
    "jobs": CommandEntry(_HERE + "jobs.group:app"),
    "kafka": CommandEntry(_HERE + "kafka:app"),
}
"""In the order of the help."""

app = typer.Typer(
    cls=group_of(COMMANDS),
    name="rushes",
    help="Footage in, searchable moments out, seconds after upload.",
    no_args_is_help=True,
    # `execution` reports errors. Typer's own tracebacks could show local variables, which may hold secrets.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="State directory: stores, dead letters, lock. [env RUSHES_STATE; default ./state]"
        ),
    ] = None,
    cache: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Weights and samples. [env RUSHES_CACHE; default the user's cache directory]"
        ),
    ] = None,
    deployment: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which of the deployments on a cluster, and whose stores. [env RUSHES_DEPLOYMENT; default rushes]",
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where the index lies: a directory, or s3://, gs:// or az://. [env RUSHES_INDEX; default in --state]",
        ),
    ] = None,
    parquet: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Where the Delta table lies. [env RUSHES_PARQUET; default in --state]"),
    ] = None,
    uploads: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where uploaded footage lies, for `serve` and for the workers that read it: a directory, or s3://,"
            " gs:// or az://. [env RUSHES_UPLOADS; default in --state]",
        ),
    ] = None,
    audit_to: Annotated[
        str | None,
        typer.Option(
            "--audit",
            metavar="PATH",
            help="Audit trail: every access is written there first. `rushes audit init` makes it."
            " [env RUSHES_AUDIT; default none]",
        ),
    ] = None,
) -> None:
    """Footage in, searchable moments out, seconds after upload."""
    # `execute` has made the document already: errors in options are to be JSON as well.
    document = context.obj if isinstance(context.obj, Document) else None
    context.obj = make_context(
        state, cache, deployment, document, index=index, parquet=parquet, audit=audit_to, uploads=uploads
    )


def main() -> None:
    """CommandEntry point. Exit codes: 0 done, 1 some asset or check failed, 2 cannot run, 3 a defect of rushes, 130
    interrupted, 141 the reader of the output has closed it.
    """
    begin_loading()
    # Torch reads this when it loads: idle threads then sleep and do not spin, because decode children share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if PARQUET in sys.argv:
        # Arrow reads this when it loads. Its own allocator keeps for each thread what no other can use (ADR 0029).
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Completions must print only what the shell expects, so typer answers alone.
    if "_RUSHES_COMPLETE" in os.environ:  # the shell asks for completions
        app()
    code = finished(app, sys.argv[1:])
    before_exit()
    sys.exit(code)


if __name__ == "__main__":
    main()
