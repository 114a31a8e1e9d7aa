"""`rushes topology`: prints stages and topics as text, as a diagram, or as an AsyncAPI document."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from stream.broker.names import Names
from stream.cli.context import Context, UsageProblem
from stream.cli.options.bounds import MAX_PARTITIONS
from stream.cli.rendering.output import write_file
from stream.pipelines.reference import whole_topology
from stream.topology.topology import Topology


def topology(
    context: typer.Context,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="A Mermaid flowchart instead of the table.")] = False,
    asyncapi: Annotated[bool, typer.Option("--asyncapi", help="An AsyncAPI 3.0 document (JSON).")] = False,
    partitions: Annotated[
        int, typer.Option(min=1, max=MAX_PARTITIONS, help="Partitions of the topics, for --asyncapi.")
    ] = 8,
    output: Annotated[Path | None, typer.Option(help="Write to a file.")] = None,
) -> None:
    """Show the stages, the topics that they read and write, and how many of each may run."""
    shared: Context = context.obj
    if mermaid and asyncapi:
        raise UsageProblem("--mermaid and --asyncapi: choose one")
    found = whole_topology()
    text = (
        _asyncapi(found, partitions, Names(shared.deployment))
        if asyncapi
        else found.to_mermaid()
        if mermaid
        else found.to_text()
    )
    if output is None:
        # As it stands: a diagram holds brackets that rich would take as markup.
        shared.console.print(text, soft_wrap=True, markup=False, emoji=False)
    else:
        write_file(output, text + "\n", "--output")


def _asyncapi(found: Topology, partitions: int, names: Names) -> str:
    from stream.deployment.asyncapi import document

    return json.dumps(document(found, version=version("rushes"), partitions=partitions, names=names), indent=2)
