"""`rushes kafka`: a single-node Kafka on this machine, for trials and tests."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.context import Context, DeploymentCommand, UsageProblem
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.sessions import ClientProperties, Cluster
from stream.cli.options.stored_settings import file_settings
from stream.cli.rendering.sanitize import shown

if TYPE_CHECKING:
    from stream.broker.node.local import NodeStatus
    from stream.broker.node.security import Security

app = typer.Typer(help="A local Kafka broker (one node, loopback only).", no_args_is_help=True)

# `client`, as the properties of the node's own user lie beside.
_USER = re.compile(r"(?!client$|server$|log4j2$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
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


@app.command()
def user(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The user: letters, digits, . _ and -.")],
    directory: Directory = None,
) -> None:
    """Make a user of this machine's node, or give one a new password. It may do nothing until `rushes tenants add
    --principal User:NAME` or an access control list says what.

    It writes a file with the settings that its client needs, and prints where. Needs a node that was made with --sasl.
    """
    from secrets import token_urlsafe

    from stream.broker.kafka.client import KafkaSettings
    from stream.broker.kafka.users import set_password
    from stream.broker.node.local import LocalNode
    from stream.broker.node.security import USER, properties_of, security_of, write_private
    from stream.clock import SystemClock

    shared: Context = context.obj
    node = LocalNode(_directory(shared, directory), SystemClock())
    if _USER.fullmatch(name) is None or name == USER:
        raise UsageProblem(f"user {shown(name)!r}: letters, digits, . _ and -, at most 64; {USER} is the node's own")
    if security_of(node.directory) != "sasl":
        raise UsageProblem(f"the node of {node.directory} knows no users: make one with `rushes kafka up --sasl`")
    found = node.status()
    if found.pid is None:
        raise UsageProblem(f"no Kafka of {node.directory} is running: `rushes kafka up` starts it")
    file, password = node.directory / f"{name}.properties", token_urlsafe(32)
    set_password(
        KafkaSettings.from_uri(f"kafka://{found.servers}", found.client_properties), SystemClock(), name, password
    )
    # Only once the node takes it: a file that does not work would take the place of one that does.
    write_private(file, properties_of(node.directory, name, password))
    shared.errors.print(f"User:{name} logs in with --client-properties:", soft_wrap=True)
    shared.write(f"{file}\n")


@app.command(cls=DeploymentCommand)
def topics(
    context: typer.Context,
    broker: Annotated[str, typer.Option(help="kafka://host:port[,host:port…]")],
    client_properties: ClientProperties = None,
    partitions: PartitionCounts = None,
    jobs: Annotated[bool, typer.Option("--jobs", help="Those of jobs too.")] = False,
    control: Annotated[bool, typer.Option("--control", help="That of `rushes control` too.")] = False,
) -> None:
    """Create the topology's topics on any cluster, check those that exist, and set where each stage begins to read."""
    from stream.clock import SystemClock
    from stream.pipelines.reference import with_jobs
    from stream.pipelines.understanding import Understanding
    from stream.sessions.stage_process import Deployment, prepare
    from stream.topology.topics import COMPLETIONS, DEPLOYMENTS, TENANTS

    shared: Context = context.obj
    counts = Partitions.parse(partitions)
    clock = SystemClock()
    # Models do not matter: only the shape of the topology is asked.
    understanding = Understanding(file_settings(shared), clock, epoch_ms=0).topology()
    topology = with_jobs(understanding) if jobs else understanding
    with Cluster(broker, client_properties, shared.deployment).connected(clock) as cluster:
        deployment = Deployment(0, counts.default, topic_partitions=counts.topics)
        told = (COMPLETIONS,) if control else ()
        prepare(cluster, topology, deployment, beside=(DEPLOYMENTS, TENANTS, *told))
        there = cluster.partition_counts(topic.name for topic in (*topology.topics, *told))
    for name, count in there.items():
        if count != counts.of(name):
            shared.console.print(f"topic {name} has {count} partitions, not {counts.of(name)}: it is used as it is")
    shared.console.print(f"{len(there)} topics are correct.")


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
