"""`rushes topology`: the stages and topics, as text and as a diagram."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.context import Context
from stream.pipelines.understanding import reference_topology


def topology(
    context: typer.Context,
    mermaid: Annotated[bool, typer.Option(help="A Mermaid flowchart instead of the table.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write to a file.")] = None,
) -> None:
    """What runs: stages, what they read and write, and how many of each may run."""
    shared: Context = context.obj
    found = reference_topology()
    text = found.to_mermaid() if mermaid else found.to_text()
    if output is None:
        shared.console.print(text, soft_wrap=True, markup=False)
    else:
        output.write_text(text + "\n")
