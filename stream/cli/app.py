"""`rushes`: the list of commands and the entry point. Each command imports its heavy libraries itself."""

import os
import sys
from typing import Annotated

import typer

from stream.cli.commands import (
    access,
    adopt,
    assets,
    audit,
    autoscale,
    control,
    dead_letters,
    demo,
    doctor,
    exporter,
    ingest,
    kafka,
    lag,
    manifests,
    run,
    search,
    serve,
    service_work,
    spaces,
    stores,
    tenants,
    topology,
    verify,
    weights,
)
from stream.cli.commands import maintenance as upkeep
from stream.cli.commands.jobs import group as jobs
from stream.cli.context import DeploymentCommand, make_context
from stream.cli.execution import finished
from stream.cli.rendering.output import Document

app = typer.Typer(
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


app.command("demo", cls=DeploymentCommand)(demo.demo)
app.command("ingest", cls=DeploymentCommand)(ingest.ingest)
app.command("run", cls=DeploymentCommand)(run.run)
app.command("exporter", cls=DeploymentCommand)(exporter.exporter)
app.command("lag", cls=DeploymentCommand)(lag.lag)
app.command("autoscale", cls=DeploymentCommand)(autoscale.autoscale)
app.command("control", cls=DeploymentCommand)(control.control)
app.command("usage", cls=DeploymentCommand)(control.usage)
app.command("progress", cls=DeploymentCommand)(control.progress)
app.command("service-work", cls=DeploymentCommand, hidden=True)(service_work.service_work)
app.command("search")(search.search)
app.command("serve", cls=DeploymentCommand)(serve.serve)
app.command("status", cls=DeploymentCommand)(assets.status)
app.command("moments")(assets.moments)
app.command("delete", cls=DeploymentCommand)(upkeep.delete)
app.command("compact")(upkeep.compact)
app.command("adopt", cls=DeploymentCommand)(adopt.adopt)
app.command("manifests", cls=DeploymentCommand)(manifests.manifests)
app.command("topology", cls=DeploymentCommand)(topology.topology)
app.command("verify")(verify.verify)
app.command("doctor", cls=DeploymentCommand)(doctor.doctor)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(weights.weights_app, name="weights")
app.add_typer(weights.samples_app, name="samples")
app.add_typer(spaces.app, name="spaces")
app.add_typer(stores.app, name="stores")
app.add_typer(spaces.app, name="models", hidden=True)  # the former name of `spaces`
app.add_typer(audit.app, name="audit")
app.add_typer(access.app, name="access")
app.add_typer(tenants.app, name="tenants")
app.add_typer(jobs.app, name="jobs")
app.add_typer(kafka.app, name="kafka")


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 some asset or check failed, 2 cannot run, 3 a defect of rushes, 130
    interrupted, 141 the reader of the output has closed it.
    """
    # Torch reads this when it loads: idle threads then sleep and do not spin, because decode children share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Completions must print only what the shell expects, so typer answers alone.
    if "_RUSHES_COMPLETE" in os.environ:  # the shell asks for completions
        app()
    sys.exit(finished(app, sys.argv[1:]))


if __name__ == "__main__":
    main()
