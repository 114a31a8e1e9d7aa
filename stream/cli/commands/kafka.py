"""`rushes kafka`: a single-node Kafka on this machine, for trials and tests."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.commands.ingest import file_settings
from stream.cli.context import Context, DeploymentCommand
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.sessions import ClientProperties, Cluster

if TYPE_CHECKING:
    from stream.broker.node.local import NodeStatus
    from stream.broker.node.security import Security

app = typer.Typer(help="A local Kafka broker (one node, loopback only).", no_args_is_help=True)

Directory = Annotated[Path | None, typer.Option("--dir", help="Its data, log and process id. [default STATE/kafka]")]


@app.command()
def fetch(context: typer.Context) -> None:
    """Fetch Kafka's jars with Maven (44 MB), so that `up` needs no network."""
    from stream.broker.node.local import fetch_jars

    shared: Context = context.obj
    shared.console.print(f"Kafka's jars are in {fetch_jars(shared.cache_dir)}.", soft_wrap=True)


@app.command()
def up(
    context: typer.Context,
    directory: Directory = None,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port of a new node.")] = 9092,
    tls: Annotated[bool, typer.Option("--tls", help="A new node accepts clients only over TLS.")] = False,
    sasl: Annotated[
        bool, typer.Option("--sasl", help="TLS, and clients log in with user and password (SCRAM).")
    ] = False,
) -> None:
    """Start a Kafka node on this machine. The first time Maven fetches its jars (44 MB). Needs Java 17 or newer.

    With --tls or --sasl it writes a file with the settings that clients need, for --client-properties.
    """
    from stream.broker.node.local import LocalNode, fetch_jars
    from stream.clock import SystemClock

    shared: Context = context.obj
    security: Security | None = "sasl" if sasl else "tls" if tls else None
    node = LocalNode(_directory(shared, directory), SystemClock(), port=port, security=security)
    status = node.up(fetch_jars(shared.cache_dir))
    shared.console.print(f"Kafka answers at kafka://{status.servers} (process {status.pid}, {status.directory}).")
    _print_properties(shared, status)
    shared.console.print("`rushes kafka down` stops it; its data stays.", style="dim")


@app.command()
def down(context: typer.Context, directory: Directory = None) -> None:
    """Stop the Kafka node of this machine and wait until it has ended. Its data stays."""
    from stream.broker.node.local import LocalNode
    from stream.clock import SystemClock

    shared: Context = context.obj
    node = LocalNode(_directory(shared, directory), SystemClock())
    # Asked before: afterwards there is no process to tell of.
    ran = node.status().pid is not None
    node.down()
    shared.console.print("Kafka is stopped." if ran else f"No Kafka of {node.directory} was running.")


@app.command(cls=DeploymentCommand)
def topics(
    context: typer.Context,
    broker: Annotated[str, typer.Option(help="kafka://host:port[,host:port…]")],
    client_properties: ClientProperties = None,
    partitions: PartitionCounts = None,
) -> None:
    """Create the topology's topics on any cluster, check those that exist, and set where each stage begins to read."""
    from stream.clock import SystemClock
    from stream.pipelines.understanding import Understanding
    from stream.sessions.stage_process import Deployment, prepare

    shared: Context = context.obj
    counts = Partitions.parse(partitions)
    clock = SystemClock()
    # Models do not matter: only the shape of the topology is asked.
    topology = Understanding(file_settings(shared), clock, epoch_ms=0).topology()
    with Cluster(broker, client_properties, shared.deployment).connected(clock) as cluster:
        prepare(cluster, topology, Deployment(0, counts.default, topic_partitions=counts.topics))
    shared.console.print(f"{len(topology.topics)} topics are correct.")


@app.command()
def status(
    context: typer.Context,
    directory: Directory = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Show whether the Kafka node of this machine runs. The exit code is 1 if not."""
    from stream.broker.node.local import LocalNode
    from stream.clock import SystemClock

    shared: Context = context.obj
    found = LocalNode(_directory(shared, directory), SystemClock()).status()
    if json_output:
        status = {"running": found.pid is not None, "pid": found.pid, "broker": f"kafka://{found.servers}"}
        shared.print_json(status | {"client_properties": found.client_properties})
    elif found.pid is None:
        shared.console.print(f"No Kafka of {found.directory} is running; `rushes kafka up` starts it.")
    else:
        shared.console.print(f"Kafka answers at kafka://{found.servers} (process {found.pid}).")
        _print_properties(shared, found)
    if found.pid is None:
        raise typer.Exit(1)


def _directory(shared: Context, directory: Path | None) -> Path:
    return (directory or shared.state_dir / "kafka").absolute()


def _print_properties(shared: Context, status: "NodeStatus") -> None:
    if status.client_properties is not None:
        shared.console.print(f"Clients need --client-properties {status.client_properties}", soft_wrap=True)
