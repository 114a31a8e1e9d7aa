"""`rushes`: the commands, and how errors end. Heavy libraries are imported by the command that needs them."""

import os
import sys
from typing import Annotated

import typer

from stream.cli.commands import (
    adopt,
    assets,
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
    spaces,
    topology,
    verify,
    weights,
)
from stream.cli.commands import maintenance as upkeep
from stream.cli.context import OfDeployment, make_context
from stream.cli.execution import finished
from stream.cli.rendering.output import Document

app = typer.Typer(
    name="rushes",
    help="Footage in, searchable moments out, seconds after upload.",
    no_args_is_help=True,
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
) -> None:
    """Footage in, searchable moments out, seconds after upload."""
    document = context.obj if isinstance(context.obj, Document) else None
    context.obj = make_context(state, cache, deployment, document)


app.command("demo", cls=OfDeployment)(demo.demo)
app.command("ingest", cls=OfDeployment)(ingest.ingest)
app.command("run", cls=OfDeployment)(run.run)
app.command("exporter", cls=OfDeployment)(exporter.exporter)
app.command("lag", cls=OfDeployment)(lag.lag)
app.command("autoscale", cls=OfDeployment)(autoscale.autoscale)
app.command("control", cls=OfDeployment)(control.control)
app.command("usage", cls=OfDeployment)(control.usage)
app.command("progress", cls=OfDeployment)(control.progress)
app.command("search")(search.search)
app.command("status", cls=OfDeployment)(assets.status)
app.command("moments")(assets.moments)
app.command("delete", cls=OfDeployment)(upkeep.delete)
app.command("compact")(upkeep.compact)
app.command("adopt", cls=OfDeployment)(adopt.adopt)
app.command("manifests", cls=OfDeployment)(manifests.manifests)
app.command("topology", cls=OfDeployment)(topology.topology)
app.command("verify")(verify.verify)
app.command("doctor", cls=OfDeployment)(doctor.doctor)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(weights.weights_app, name="weights")
app.add_typer(weights.samples_app, name="samples")
app.add_typer(spaces.app, name="spaces")
app.add_typer(spaces.app, name="models", hidden=True)  # as it was called before
app.add_typer(kafka.app, name="kafka")


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 some asset or check failed, 2 cannot run, 3 a defect of rushes, 130
    interrupted, 141 nobody reads the output any more.
    """
    # Read when torch loads: its idle threads sleep instead of spinning, for decode children share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if "_RUSHES_COMPLETE" in os.environ:  # the shell asks what may follow
        app()
    sys.exit(finished(app, sys.argv[1:]))


if __name__ == "__main__":
    main()
