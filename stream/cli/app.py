"""`rushes`: the commands, and how errors end. Heavy libraries are imported by the command that needs them."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from stream.cli import (
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
    upkeep,
    verify,
    weights,
)
from stream.cli.context import UsageProblem, explain, make_context
from stream.errors import StageError

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
        Path | None,
        typer.Option(help="State directory: stores, dead letters, lock. [env RUSHES_STATE; default ./state]"),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Weights and samples. [env RUSHES_CACHE; default the user's cache directory]")
    ] = None,
) -> None:
    """Footage in, searchable moments out, seconds after upload."""
    context.obj = make_context(state, cache)


app.command("demo")(demo.demo)
app.command("ingest")(ingest.ingest)
app.command("run")(run.run)
app.command("exporter")(exporter.exporter)
app.command("lag")(lag.lag)
app.command("autoscale")(autoscale.autoscale)
app.command("control")(control.control)
app.command("usage")(control.usage)
app.command("progress")(control.progress)
app.command("search")(search.search)
app.command("status")(assets.status)
app.command("moments")(assets.moments)
app.command("delete")(upkeep.delete)
app.command("compact")(upkeep.compact)
app.command("manifests")(manifests.manifests)
app.command("topology")(topology.topology)
app.command("verify")(verify.verify)
app.command("doctor")(doctor.doctor)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(weights.weights_app, name="weights")
app.add_typer(weights.samples_app, name="samples")
app.add_typer(spaces.app, name="models")
app.add_typer(kafka.app, name="kafka")


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 some asset or check failed, 2 cannot run, 130 interrupted."""
    # Read when torch loads: its idle threads sleep instead of spinning, for decode children share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app(standalone_mode=True)
    except (StageError, UsageProblem) as error:
        sys.stderr.write(f"rushes: {explain(error)}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("rushes: interrupted; run the same command again to resume\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
