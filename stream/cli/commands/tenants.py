"""`rushes tenants`: which tenants publish through a topic of their own, and what their records may claim."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich import box
from rich.table import Table

from decoders.sources.limits import SourceLimits
from decoders.sources.uris import local_path
from stream.cli.context import Context, DeploymentCommand, UsageProblem
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.sessions import BrokerUri, ClientProperties, Cluster
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock
from stream.errors import BadMedia
from stream.events.tenants import TenantRegistered
from stream.topology.tenants import Tenants, tenant_topic

if TYPE_CHECKING:
    from stream.sessions.tenant_changes import TenantChanges, TopicRights

app = typer.Typer(help="Tenants with a topic of their own, which no other producer may write.", no_args_is_help=True)

TenantName = Annotated[str, typer.Argument(help="The tenant: letters, digits, - and _.", metavar="TENANT")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]


@app.command(cls=DeploymentCommand)
def add(
    context: typer.Context,
    tenant: TenantName,
    project: Annotated[
        list[str] | None,
        typer.Option(help="What its records may belong to, the first where they name none; repeatable. Without: any."),
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="As --project, for the region that records name; repeatable.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Where its footage may lie: a real folder, s3://BUCKET/PREFIX or https://HOST/FOLDER/; repeatable."
            " Without: wherever workers may read."
        ),
    ] = None,
    principal: Annotated[
        list[str] | None,
        typer.Option(
            help="User:NAME who alone may write the topic, as the cluster's authorizer knows it; repeatable. Without:"
            " who may write stays as it is."
        ),
    ] = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    partitions: PartitionCounts = None,
) -> None:
    """Give a tenant a topic of its own, or new limits in place of all that it had. Its records are its own, whatever
    they say.

    With --broker it makes the topic `assets.TENANT`, which `rushes run gate` reads. Without, the limits count for
    `rushes ingest --tenant TENANT` with this state directory.
    """
    try:
        added = TenantRegistered(
            tenant=tenant,
            projects=tuple(dict.fromkeys(project or ())),
            regions=tuple(dict.fromkeys(region or ())),
            sources=_sources(source or (), here=broker is None),
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise UsageProblem(f"{fault['loc'][0]}: {fault['msg']}") from None
    producers = tuple(dict.fromkeys(principal or ()))
    if producers and broker is None:
        raise UsageProblem("--principal needs --broker: only a cluster knows users")
    if wrong := [each for each in producers if not each.startswith("User:") or each in {"User:", "User:*"}]:
        raise UsageProblem(f"--principal {shown(wrong[0])}: write User:NAME, one user each")
    changes = _changes(context, broker, client_properties, partitions)
    before = changes.tenants().now.get(tenant)
    changes.add(added, producers)
    shared: Context = context.obj
    shared.console.print(f"tenant {tenant} publishes through {tenant_topic(added).name}.", soft_wrap=True)
    # A limit that the command leaves out is lifted: who meant another one has to see it.
    was = dict(_told(added if before is None else before))
    for name, value in _told(added)[1:]:
        changed = "" if value == was[name] else f" (before: {shown(was[name])})"
        shared.console.print(f"  {name}: {shown(value)}{changed}", soft_wrap=True)


@app.command(cls=DeploymentCommand)
def remove(
    context: typer.Context, tenant: TenantName, broker: BrokerUri = None, client_properties: ClientProperties = None
) -> None:
    """Take a tenant's topic away from the gate. The topic, and what was published, stay."""
    changes = _changes(context, broker, client_properties)
    _known(changes.tenants(), tenant)
    changes.remove(tenant)
    shared: Context = context.obj
    shared.console.print(f"tenant {tenant} publishes nothing through a topic of its own any more.", soft_wrap=True)


@app.command("list", cls=DeploymentCommand)
def list_(
    context: typer.Context,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: AsJson = False,
) -> None:
    """Show the tenants with a topic of their own."""
    shared: Context = context.obj
    known = _changes(context, broker, client_properties).tenants()
    found = [known.now[name] for name in sorted(known.now)]
    if json_output:
        shared.print_json([each.model_dump(mode="json") for each in found])
        return
    table = Table(title="Tenants", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("tenant", "topic", "projects", "regions", "sources"):
        table.add_column(column, overflow="fold")
    for each in found:
        table.add_row(*map(shown, (each.tenant, *(value for _, value in _told(each)))))
    shared.console.print(table if found else "No tenant has a topic of its own.")


@app.command(cls=DeploymentCommand)
def show(
    context: typer.Context,
    tenant: TenantName,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: AsJson = False,
) -> None:
    """Show what the records of a tenant may claim."""
    shared: Context = context.obj
    changes = _changes(context, broker, client_properties)
    found = _known(changes.tenants(), tenant)
    producers = sorted(changes.producers(found))
    if json_output:
        shared.print_json(found.model_dump(mode="json") | {"producers": producers})
        return
    for name, value in (*_told(found), ("producers", ", ".join(producers) or "whoever the cluster lets")):
        shared.console.print(f"{name}: {shown(value)}", soft_wrap=True)


def _changes(
    context: typer.Context,
    broker: str | None,
    client_properties: ClientProperties,
    partitions: Sequence[str] | None = None,
) -> "TenantChanges":
    from stream.sessions.tenant_changes import ClusterTenants, LocalTenants

    shared: Context = context.obj
    counts = Partitions.parse(partitions)
    cluster = Cluster.named(broker, client_properties, shared.deployment)
    if cluster is None:
        return LocalTenants(shared.state_dir)
    clock = SystemClock()

    def rights() -> "TopicRights":
        from stream.broker.kafka.rights import ProducerRights

        return ProducerRights(cluster.settings(), clock)

    return ClusterTenants(lambda: cluster.connected(clock), clock, counts.of, rights)


def _sources(words: Sequence[str], *, here: bool) -> tuple[str, ...]:
    """As the register keeps them. Folders of this machine are resolved now and never again (ADR 0036); those of workers
    cannot be, so only their real paths are of use. Raises `UsageProblem`.
    """
    found = []
    for word in words:
        if "://" in word and not word.lower().startswith("file://"):
            found.append(word)
            continue
        try:
            path = str(local_path(word))
        except BadMedia as error:
            raise UsageProblem(f"--source {shown(word)}: {error.message}") from None
        found.append(os.path.realpath(path) if here else path)
    try:
        SourceLimits.of(found)
    except ValueError as error:
        raise UsageProblem(f"--source {shown(str(error))}") from None
    return tuple(dict.fromkeys(found))


def _known(tenants: Tenants, name: str) -> TenantRegistered:
    found = tenants.now.get(name)
    if found is None:
        raise UsageProblem(f"no tenant {shown(name)} has a topic of its own: `rushes tenants list` shows them")
    return found


def _told(tenant: TenantRegistered) -> list[tuple[str, str]]:
    limits = (("projects", tenant.projects), ("regions", tenant.regions), ("sources", tenant.sources))
    return [("topic", tenant_topic(tenant).name), *((name, _any(values)) for name, values in limits)]


def _any(names: Sequence[str]) -> str:
    return ", ".join(names) or "any"
