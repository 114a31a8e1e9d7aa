"""`rushes rights`: what each process may do on a broker with an authorizer, printed or given."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from stream.cli.context import Context, UsageProblem
from stream.cli.options.jobs import AsJson, BrokerUri, ClientProperties, Cluster
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock

if TYPE_CHECKING:
    from stream.topology.rights import BrokerRight


def rights(
    context: typer.Context,
    processes: Annotated[
        list[str],
        typer.Argument(
            help="What the user runs: stages, such as `plan`; `publish` is for who publishes to the topic `assets`,"
            " `submit` for who submits and steers jobs, `observe` for `rushes lag` and the exporter.",
            metavar="PROCESS",
        ),
    ],
    principal: Annotated[
        str | None,
        typer.Option(help="User:NAME who gets them, as the cluster's authorizer knows it. Without: they are shown."),
    ] = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: AsJson = False,
) -> None:
    """Show what a process needs to do on the broker, or give it to a user with --principal and --broker. Rights
    that the user has beside these stay.
    """
    from stream.broker.names import Names
    from stream.pipelines.rights import process_names, rights_of_processes
    from stream.topology.rights import rights_by_resource
    from stream.topology.topology import UnknownStage

    shared: Context = context.obj
    try:
        found = rights_of_processes(processes)
    except UnknownStage:
        raise UsageProblem(f"PROCESS: there are {', '.join(process_names())}") from None
    if (principal is None) is not (broker is None):
        raise UsageProblem("--principal and --broker belong together: who gets the rights, and on which cluster")
    if principal is not None and (not principal.startswith("User:") or principal in {"User:", "User:*"}):
        raise UsageProblem(f"--principal {shown(principal)}: write User:NAME, one user")
    names = Names(shared.deployment)
    told = [
        {
            "resource": kind.value,
            "name": names.of(name),
            "pattern": "prefixed" if prefixed else "literal",
            "operations": [operation.value for operation in operations],
        }
        for (kind, name, prefixed), operations in rights_by_resource(found).items()
    ]
    if principal is not None and broker is not None:
        _give(Cluster(broker, client_properties, shared.deployment), principal, found)
    if json_output:
        shared.print_json(told)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("resource", "name", "operations"):
        table.add_column(column, overflow="fold")
    for row in told:
        name = f"{row['name']}*" if row["pattern"] == "prefixed" else str(row["name"])
        table.add_row(str(row["resource"]), name, ", ".join(row["operations"]))
    shared.console.print(table)
    if principal is not None:
        shared.console.print(f"{shown(principal)} has these rights now.", markup=False, soft_wrap=True)


def _give(cluster: Cluster, principal: str, found: "tuple[BrokerRight, ...]") -> None:
    from contextlib import closing

    from stream.broker.kafka.rights import StageRights

    with closing(StageRights(cluster.settings(), SystemClock())) as there:
        there.allow(
            principal,
            [(right.kind.value, right.name, right.operation.value, right.prefixed) for right in found],
        )
