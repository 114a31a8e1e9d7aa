"""`rushes jobs rights`: what each process of jobs may do on a broker with an authorizer, printed or given."""

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

SUBMIT = "submit"


def rights(
    context: typer.Context,
    processes: Annotated[
        list[str],
        typer.Argument(
            help="What the user runs: `coordinate`, `render`, `notify`, or `submit` for who submits and steers jobs.",
            metavar="STAGE",
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
    """Show what a process of jobs needs to do on the broker, or give it to a user with --principal and --broker. Rights
    that the user has beside these stay.
    """
    from stream.broker.names import Names
    from stream.pipelines.reference import job_topology
    from stream.topology.rights import rights_by_resource, rights_of, rights_to_write
    from stream.topology.topics import JOBS

    shared: Context = context.obj
    topology = job_topology()
    stages = [name for name in dict.fromkeys(processes) if name != SUBMIT]
    try:
        found = rights_of(topology, stages) if stages else ()
    except KeyError:
        known = ", ".join([*(stage.name for stage in topology.stages), SUBMIT])
        raise UsageProblem(f"STAGE: there are {known}") from None
    found += rights_to_write(JOBS.name) if SUBMIT in processes else ()
    if (principal is None) is not (broker is None):
        raise UsageProblem("--principal and --broker belong together: who gets the rights, and on which cluster")
    if principal is not None and (not principal.startswith("User:") or principal in {"User:", "User:*"}):
        raise UsageProblem(f"--principal {shown(principal)}: write User:NAME, one user")
    names = Names(shared.deployment)
    told = [
        {"resource": kind.value, "name": names.of(name), "operations": [operation.value for operation in operations]}
        for (kind, name), operations in rights_by_resource(found).items()
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
        table.add_row(str(row["resource"]), str(row["name"]), ", ".join(row["operations"]))
    shared.console.print(table)
    if principal is not None:
        shared.console.print(f"{shown(principal)} has these rights now.", markup=False, soft_wrap=True)


def _give(cluster: Cluster, principal: str, found: "tuple[BrokerRight, ...]") -> None:
    from contextlib import closing

    from stream.broker.kafka.rights import StageRights

    with closing(StageRights(cluster.settings(), SystemClock())) as there:
        there.allow(principal, [(right.kind.value, right.name, right.operation.value) for right in found])
